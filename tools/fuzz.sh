#!/usr/bin/env bash
# Every fuzz target for LH_FUZZ_SECONDS (60) each, under the address and undefined-behaviour sanitizers; stops at a finding.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/build.sh fuzz
found=0
for target in build/fuzz/fuzz/fuzz_*; do
  [ -f "$target" ] && [ -x "$target" ] || continue
  found=$((found + 1))
  corpus=build/fuzz/corpus/$(basename "$target")
  mkdir -p "$corpus"
  echo "== $(basename "$target")"
  "$target" -max_total_time="${LH_FUZZ_SECONDS:-60}" -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 "$corpus" 2>&1 | tail -12
done
[ $found -gt 0 ] || { echo "make fuzz: wanted targets in build/fuzz/fuzz/, found none"; exit 1; }
echo "make fuzz: $found targets clean"
