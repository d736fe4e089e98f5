#!/usr/bin/env bash
# Every test: builds, runs ctest (two at a time: most tests use all threads themselves), the reference fixtures, and a minute of
# fuzzing for each reader of a checkpoint's files where clang is there (always under CI=true, which installs it).
set -euo pipefail
cd "$(dirname "$0")/.."
tools/build.sh release
log=build/release/ctest.log
status=0
ctest --test-dir build/release --parallel 2 --output-on-failure --no-tests=error 2>&1 | tee "$log" || status=1
echo
tools/golden.sh "${1:-../shared/golden}" optional || status=1
echo
if [ "${CI:-}" = true ] || { command -v clang++-14 && compgen -G "/usr/lib/llvm-14/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a"; } > /dev/null; then
  LH_FUZZ_SEED=1 tools/fuzz.sh safetensors torch_file config tokenizer sentence_piece chat_template || status=1
else
  echo "fuzz: clang-14 and libclang-rt-14-dev are not installed, nothing was fuzzed; make fuzz installs them"
fi
echo
# What failed, and why, is said last: where only the end of a long log is kept, this is what is left of it.
awk '/\*\*\*(Failed|Timeout|Exception|Not Run)/ { on = 1 } / +Start +[0-9]+: / { on = 0 } on' "$log" | tail -n 100
sed -n '/tests passed/,/^Errors while/p' "$log" | grep . || status=1
[ $status = 0 ] && echo "make test: passed" || echo "make test: FAILED"
exit $status
