#!/usr/bin/env bash
# Sets up, configures and builds one preset: tools/build.sh PRESET [TARGET...]. JOBS=N limits the parallel compilers.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
shift || true
torch=$(tools/setup.sh "$preset")
cmake --preset "$preset" -DLH_TORCH_ROOT="$torch" > build-configure.tmp || { cat build-configure.tmp; exit 1; }
rm -f build-configure.tmp
cmake --build --preset "$preset" --parallel "${JOBS:-$(nproc)}" ${1:+--target "$@"}
