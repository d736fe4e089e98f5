#!/usr/bin/env bash
# The reference fixtures: tools/golden.sh DIR [optional]. `optional`: a missing folder is no failure, except under CI=true.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:?folder of fixtures}
if [ ! -d "$folder" ]; then
  echo "golden: no folder $folder; the fixtures are not part of the repository: make golden GOLDEN=DIR"
  [ "${2:-}" = optional ] && [ "${CI:-}" != true ] && exit 0
  exit 2
fi
tools/build.sh release golden_tests
build/release/tests/golden_tests "$folder"
