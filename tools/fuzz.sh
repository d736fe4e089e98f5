#!/usr/bin/env bash
# tools/fuzz.sh [NAME...]: these fuzz targets, or all, for LH_FUZZ_SECONDS (60) each from the seeds in fuzz/corpus/, under the
# address and undefined-behaviour sanitizers, as many at a time as there are processors; stops at a finding. With LH_FUZZ_SEED the same
# inputs come in every run on the same seeds.
set -euo pipefail
cd "$(dirname "$0")/.."
export LH_FUZZ_SECONDS=${LH_FUZZ_SECONDS:-60}
names=("$@")
if [ $# = 0 ]; then
  for source in fuzz/*.cpp; do names+=("$(basename "$source" .cpp)"); done
fi
for name in "${names[@]}"; do
  [ -f "fuzz/$name.cpp" ] || { echo "make fuzz: no target $name; there are: $(cd fuzz && echo *.cpp)"; exit 2; }
done
tools/build.sh fuzz "${names[@]/#/fuzz_}"

fuzz() {
  local name=$1 corpus=build/fuzz/corpus/$1
  mkdir -p "$corpus"
  if ! "build/fuzz/fuzz/fuzz_$name" -max_total_time="$LH_FUZZ_SECONDS" ${LH_FUZZ_SEED:+-seed=$LH_FUZZ_SEED} -rss_limit_mb=2048 \
    -artifact_prefix="build/fuzz/finding-$name-" -print_final_stats=1 "$corpus" "fuzz/corpus/$name" > "$corpus.log" 2>&1; then
    tail -60 "$corpus.log"
    echo "make fuzz: fuzz_$name has a finding; the whole report is in $corpus.log"
    return 255  # ends xargs
  fi
  echo "fuzz_$name: $(sed -n 's/^stat::\(number_of_executed_units\|peak_rss_mb\): */\1 /p' "$corpus.log" | paste -sd ' ')"
}
export -f fuzz
printf '%s\n' "${names[@]}" | xargs -P "${JOBS:-$(nproc)}" -I '{}' bash -c 'fuzz {}' || exit 1
echo "make fuzz: ${#names[@]} targets clean"
