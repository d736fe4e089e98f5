#!/usr/bin/env bash
# The demonstration: three small GPTs that differ in their positional encoding alone, trained at 128 tokens on the C++ headers of
# the installed LibTorch, measured at 128 to 2,048. Stops with an error unless the known result comes out. Run it again
# after an interruption: it goes on where it was.
#
#   LH_DEMO_OUT      folder of data, runs and report (runs/demo)
#   LH_DEMO_SEED     seed of weights and data order (1)
#   LH_DEMO_STEPS    optimizer steps (1000); the result is only promised for 1000 and more
#   LH_DEMO_TOKENS   tokens of each perplexity, a multiple of 2,048 (131072)
#   LH_PROGRAM       the longhaul to use; without it build/release is built first
set -euo pipefail
cd "$(dirname "$0")/.."
out=${LH_DEMO_OUT:-runs/demo}
seed=${LH_DEMO_SEED:-1}
steps=${LH_DEMO_STEPS:-1000}
tokens=${LH_DEMO_TOKENS:-131072}
encodings="rope alibi cable"

torch=$(tools/setup.sh)
longhaul=${LH_PROGRAM:-build/release/bin/longhaul}
[ -n "${LH_PROGRAM:-}" ] || tools/build.sh release longhaul_program

if [ ! -d "$out/data" ]; then
  echo "== corpus: the headers of $torch"
  include=$torch/include
  # Not ATen/ops: 7,000 generated near-duplicates.
  "$longhaul" data pack --tokenizer bytes --min-bytes 2000 --ext .h --val-every 16 --out "$out/data" \
    "$include/torch/csrc" "$include/c10" "$include/ATen/core" "$include/ATen/native" "$include/ATen/cpu"
fi

runs=()
for encoding in $encodings; do
  run=$out/$encoding-seed$seed
  runs+=("$run")
  echo "== training: $encoding, $steps steps of 8 x 128 bytes"
  if [ -f "$run/train.json" ]; then
    "$longhaul" train --resume "$run" --data "$out/data" --steps "$steps"
  else
    "$longhaul" train --arch gpt:layers=4,width=128,heads=4 --pos "$encoding" --data "$out/data" --out "$run" --seed "$seed" \
      --order shuffled --seq-len 128 --batch 8 --total-batch-tokens 1024 --steps "$steps" \
      --lr 2e-3 --min-lr 2e-4 --warmup "$((steps < 100 ? steps / 2 : 50))" --val-every 250 --val-tokens "$tokens" --save-every 250 --log-every 50
  fi
done

echo "== perplexity by length: the same $tokens tokens at every length"
"$longhaul" ppl --model "$(IFS=,; echo "${runs[*]}")" --data "$out/data" --protocol block --lengths 128,256,512,1k,2k --tokens "$tokens"

echo "== report"
"$longhaul" report "${runs[@]}" --html "$out/report.html" --plot "$out/ppl.png" --csv "$out/results.csv"
echo
python3 tools/demo_check.py "$out/results.csv" --steps "$steps"
echo "the page: $out/report.html    the plot: $out/ppl.png"
