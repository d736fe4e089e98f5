#!/usr/bin/env bash
# tools/fuzz.sh [SECONDS]: every fuzz target for that long (or LH_FUZZ_SECONDS, or 60) from the seeds in fuzz/corpus/, under
# the address and undefined-behaviour sanitizers; stops at a finding.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-${LH_FUZZ_SECONDS:-60}}
tools/build.sh fuzz
found=0
for target in build/fuzz/fuzz/fuzz_*; do
  [ -f "$target" ] && [ -x "$target" ] || continue
  found=$((found + 1))
  name=${target##*/fuzz_}
  corpus=build/fuzz/corpus/$name
  mkdir -p "$corpus"
  echo "== fuzz_$name"
  if ! "$target" -max_total_time="$seconds" -rss_limit_mb=2048 -artifact_prefix="build/fuzz/finding-$name-" \
    -print_final_stats=1 "$corpus" "fuzz/corpus/$name" > "$corpus.log" 2>&1; then
    tail -60 "$corpus.log"
    echo "make fuzz: fuzz_$name has a finding; the whole report is in $corpus.log"
    exit 1
  fi
  grep -E '^stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)' "$corpus.log"
done
[ $found -gt 0 ] || { echo "make fuzz: wanted targets in build/fuzz/fuzz/, found none"; exit 1; }
echo "make fuzz: $found targets clean"
