#!/usr/bin/env bash
# The long checks: kill -9 at random moments of training and of an evaluation (LH_SOAK_KILLS, 50 of each), then every fuzz
# target (LH_FUZZ_SECONDS, 60 each).
set -euo pipefail
cd "$(dirname "$0")/.."
tools/build.sh release longhaul_program
python3 tools/soak.py --program build/release/bin/longhaul --kills "${LH_SOAK_KILLS:-50}"
tools/fuzz.sh
