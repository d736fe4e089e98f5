#!/usr/bin/env bash
# Speed and memory, 1 and 2 threads, beside what people would use instead. Writes docs/results/bench-<machine>.jsonl and .md and
# ends with 1 when a promised ratio is missed. About 25 minutes on 2 quiet cores (and, once, the demo for trained models).
#
#   tools/bench.sh [attention|layers|ce|train|encodings|tokenize|prefill|decode ...]   only these parts: their rows are replaced, others' stay
#
#   LH_PEERS_PYTHON   a Python with the packages of bench/peers/requirements.txt (bench/peers/.venv, made when missing)
#   LH_BENCH_ROUNDS   how often each part is measured (1); every cell keeps its fastest row: for a machine that others use too
#   LH_TEXT_DATA      folder with tokenizers/{gpt-neox-20b,llama-2} and texts/*.txt, for `tokenize` (../shared/data)
set -euo pipefail
cd "$(dirname "$0")/.."
python=${LH_PEERS_PYTHON:-bench/peers/.venv/bin/python3}
text_data=${LH_TEXT_DATA:-../shared/data}
longhaul=build/release/bin/longhaul
threads=1,2
parts=(attention layers ce train encodings tokenize prefill decode)
wanted=("${@:-${parts[@]}}")
for part in "${wanted[@]}"; do
  [[ " ${parts[*]} " == *" $part "* ]] || { echo "tools/bench.sh: wanted some of ${parts[*]}, found $part" >&2; exit 2; }
done

ours() { "$longhaul" bench "$@" --threads $threads --json; }
rival() { "$python" bench/peers/train.py --threads ${threads//,/ } "$@"; }

part_attention() {
  local trained=runs/demo/alibi-seed1,runs/demo/cable-seed1
  for run in ${trained//,/ }; do
    [ -f "$run/model.safetensors" ] || { tools/demo.sh >&2 && break; }
  done
  ours attention --lengths 1k --bias none,cable --skip-eps 0,1e-7 --repeats 30
  ours attention --lengths 4k,16k --bias none,cable --skip-eps 0,1e-7 --repeats 8 --budget 20
  ours attention --lengths 16k --bias none,alibi --skip-eps 1e-7 --longest-mask 1 --budget 20
  ours trained-attention --model "$trained" --data runs/demo/data --lengths 16k --skip-eps 1e-7 --budget 20
}
part_layers() { ours norm rotary adamw; }
part_ce() { ours ce --budget 20; }
part_train() {
  ours train --size small --lengths 512 --pos rope
  rival --sizes small --lengths 512 --pos rope --peers torch-eager
  ours train --size mini --lengths 512,2k --pos rope
  rival --sizes mini --lengths 512,2048 --pos rope --peers torch-eager
  ours train --size mini --lengths 1k,2k,16k --pos cable --budget 30
  rival --sizes mini --lengths 2048 --pos cable --peers torch-eager,torch-compile
}
part_encodings() {
  ours encodings --part train --lengths 1k --pos alibi,kerple,t5,fire,cope,dape --repeats 5 --budget 20
  rival --sizes mini --lengths 1024 --pos nope,fire,cope,dape --peers torch-eager
  ours encodings --part generate --generate 512 --pos cable
}
part_tokenize() {
  local unigram=runs/bench/unigram text tokenizers tokenizer peer
  tokenizers=("$text_data"/tokenizers/{gpt-neox-20b/tokenizer.json,llama-2/tokenizer.model})
  for tokenizer in "${tokenizers[@]}"; do
    if [ ! -f "$tokenizer" ] || ! compgen -G "$text_data/texts/*.txt" > /dev/null; then
      echo "== tokenize: not measured, $tokenizer or $text_data/texts/*.txt is not there (LH_TEXT_DATA)" >&2
      return
    fi
  done
  mkdir -p "$unigram"
  text=$unigram/texts.txt  # once, not again and again: some here remember words
  cat "$text_data"/texts/*.txt > "$text"
  "$python" bench/peers/make_unigram.py --text "$text" --dir "$unigram" >&2
  for tokenizer in "${tokenizers[@]}" "$unigram"/{unigram-sentencepiece.model,unigram-tokenizers/tokenizer.json}; do
    case "$tokenizer" in *neox*) peer=tiktoken ;; *.model) peer=sentencepiece ;; *) peer=tokenizers ;; esac
    ours tokenize --tokenizer "$tokenizer" --text "$text" --repeats 5
    "$python" bench/peers/tokenise.py --tokenizer "$tokenizer" --text "$text" --threads ${threads//,/ } --repeats 5 --timeout 40 --only $peer
  done
}
# Random checkpoints for every engine, 2.6 GB, made once.
models=runs/bench/models
make_models() {
  "$python" -c 'import transformers' 2> /dev/null || "$python" -m pip install --quiet --disable-pip-version-check -r bench/peers/engines.txt >&2
  "$python" bench/peers/make_models.py --dir "$models" >&2
}
part_prefill() {
  make_models
  local model
  for model in gpt2-124m llama-160m; do ours prefill "$models/$model" --lengths 512,2k,8k --budget 60; done
  for model in gpt2-124m llama-160m; do ours prefill "$models/$model" --lengths 512 --weight-dtype bf16,int8 --budget 20; done
  "$python" bench/peers/prefill.py --dir "$models" --threads ${threads//,/ }
}
part_decode() {
  make_models
  local model
  for model in gpt2-124m llama-160m; do ours decode "$models/$model" --prompts 512,8k --weight-dtype f32,bf16,int8; done
  "$python" bench/peers/decode.py --dir "$models" --threads ${threads//,/ }
}

tools/build.sh release longhaul_program
# .complete is a copy of the requirements that were installed: new ones make a new environment.
if [ -z "${LH_PEERS_PYTHON:-}" ] && ! cmp -s bench/peers/requirements.txt bench/peers/.venv/.complete; then
  echo "== making bench/peers/.venv"
  rm -rf bench/peers/.venv
  python3 -m venv bench/peers/.venv
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --extra-index-url "${LH_TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" torch==2.13.0
  "$python" -m pip install --quiet --disable-pip-version-check -r bench/peers/requirements.txt
  cp bench/peers/requirements.txt bench/peers/.venv/.complete
fi

machine=$(tools/bench_report.py --machine)
mkdir -p docs/results
rows=docs/results/bench-$machine.jsonl
touch "$rows"
new=$(mktemp)
trap 'rm -f "$new"' EXIT
# A part's rows carry its name, no folder of this machine, and take their old ones' place when all of them are there.
for part in "${wanted[@]}"; do
  : > "$new"
  for ((round = 1; round <= ${LH_BENCH_ROUNDS:-1}; ++round)); do
    echo "== $part"
    "part_$part" | sed -u "s/^{/{\"part\":\"$part\",/; s|$text_data/||g" | tee -a "$new"
  done
  { grep -v "^{\"part\":\"$part\"," "$rows" || true; tools/bench_report.py --best "$new"; } > "$rows.new"
  mv "$rows.new" "$rows"
done

tools/bench_report.py "$rows" --markdown "docs/results/bench-$machine.md"
