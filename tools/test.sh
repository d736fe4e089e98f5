#!/usr/bin/env bash
# Every test: builds, runs ctest (two at a time: most tests use all threads themselves) and the reference fixtures.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/build.sh release
log=build/release/ctest.log
status=0
ctest --test-dir build/release --parallel 2 --output-on-failure --no-tests=error 2>&1 | tee "$log" || status=1
echo
tools/golden.sh "${1:-../shared/golden}" optional || status=1
echo
grep -E 'tests passed|tests failed' "$log" || status=1
[ $status = 0 ] && echo "make test: passed" || echo "make test: FAILED"
exit $status
