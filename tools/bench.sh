#!/usr/bin/env bash
# Speed and memory, 1 and 2 threads, beside what people would use instead. Writes docs/results/bench-<machine>.jsonl and .md and
# ends with 1 when a promised ratio is missed. About 15 minutes on 2 quiet cores (and, once, the demo for trained models).
#
#   LH_PEERS_PYTHON   a Python with the packages of bench/peers/requirements.txt (bench/peers/.venv, made when missing)
set -euo pipefail
cd "$(dirname "$0")/.."
python=${LH_PEERS_PYTHON:-bench/peers/.venv/bin/python3}
threads=1,2

tools/build.sh release longhaul_program
longhaul=build/release/bin/longhaul
if [ -z "${LH_PEERS_PYTHON:-}" ] && [ ! -f bench/peers/.venv/.complete ]; then
  echo "== making bench/peers/.venv"
  rm -rf bench/peers/.venv
  python3 -m venv bench/peers/.venv
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --extra-index-url "${LH_TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" torch==2.13.0
  "$python" -m pip install --quiet --disable-pip-version-check -r bench/peers/requirements.txt
  touch bench/peers/.venv/.complete
fi
trained=runs/demo/alibi-seed1,runs/demo/cable-seed1
for run in ${trained//,/ }; do
  [ -f "$run/model.safetensors" ] || { tools/demo.sh && break; }
done

machine=$(tools/bench_report.py --machine)
mkdir -p docs/results
rows=docs/results/bench-$machine.jsonl
: > "$rows"
note() { tee -a "$rows"; }
ours() { "$longhaul" bench "$@" --threads $threads --json | note; }
rival() { "$python" bench/peers/train.py --threads ${threads//,/ } "$@" | note; }

ours attention --lengths 1k --bias none,cable --skip-eps 0,1e-7 --repeats 30
ours attention --lengths 4k,16k --bias none,cable --skip-eps 0,1e-7 --repeats 8 --budget 20
ours attention --lengths 16k --bias none,alibi --skip-eps 1e-7 --longest-mask 1 --budget 20
ours trained-attention --model "$trained" --data runs/demo/data --lengths 16k --skip-eps 1e-7 --budget 20
ours norm rotary adamw
ours ce --budget 20
ours train --size small --lengths 512 --pos rope
rival --sizes small --lengths 512 --pos rope --peers torch-eager
ours train --size mini --lengths 512,2k --pos rope
rival --sizes mini --lengths 512,2048 --pos rope --peers torch-eager
ours train --size mini --lengths 1k,2k,16k --pos cable --budget 30
rival --sizes mini --lengths 2048 --pos cable --peers torch-eager,torch-compile

tools/bench_report.py "$rows" --markdown "docs/results/bench-$machine.md"
