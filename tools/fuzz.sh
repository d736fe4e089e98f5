#!/usr/bin/env bash
# tools/fuzz.sh [NAME...]: these fuzz targets, or all, for LH_FUZZ_SECONDS (60) each from the seeds in fuzz/corpus/, under the
# address and undefined-behaviour sanitizers; stops at a finding.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${LH_FUZZ_SECONDS:-60}
names=("$@")
if [ $# = 0 ]; then
  for source in fuzz/*.cpp; do names+=("$(basename "$source" .cpp)"); done
fi
for name in "${names[@]}"; do
  [ -f "fuzz/$name.cpp" ] || { echo "make fuzz: no target $name; there are: $(cd fuzz && echo *.cpp)"; exit 2; }
done
tools/build.sh fuzz "${names[@]/#/fuzz_}"
for name in "${names[@]}"; do
  corpus=build/fuzz/corpus/$name
  mkdir -p "$corpus"
  echo "== fuzz_$name"
  if ! "build/fuzz/fuzz/fuzz_$name" -max_total_time="$seconds" -rss_limit_mb=2048 \
    -artifact_prefix="build/fuzz/finding-$name-" -print_final_stats=1 "$corpus" "fuzz/corpus/$name" > "$corpus.log" 2>&1; then
    tail -60 "$corpus.log"
    echo "make fuzz: fuzz_$name has a finding; the whole report is in $corpus.log"
    exit 1
  fi
  grep -E '^stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)' "$corpus.log"
done
echo "make fuzz: ${#names[@]} targets clean"
