#!/usr/bin/env bash
# clang-format-14 over every source file: tools/format.sh rewrites, tools/format.sh --check names what it would rewrite and ends
# with 1.
set -euo pipefail
cd "$(dirname "$0")/.."
action=-i
[ "${1:-}" = --check ] && action="--dry-run --Werror"
git ls-files '*.cpp' '*.h' | xargs clang-format-14 $action
