#!/usr/bin/env bash
# The long checks: kill -9 at random moments of training and of an evaluation (LH_SOAK_KILLS, 50 of each), then every fuzz
# target (LH_FUZZ_SECONDS, ten minutes each).
set -euo pipefail
cd "$(dirname "$0")/.."
tools/build.sh release longhaul_program
python3 tools/soak.py --program build/release/bin/longhaul --kills "${LH_SOAK_KILLS:-50}"
LH_FUZZ_SECONDS=${LH_FUZZ_SECONDS:-600} tools/fuzz.sh
