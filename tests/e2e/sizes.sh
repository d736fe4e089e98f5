# Sizes for the commands of the pages when a test runs them (CONTRIBUTING.md, "Pages"). LH_DOC_<COMMAND> lists flags: the
# value of a flag that the page gives is replaced; a flag marked + is added when the page does not give it.
export LH_DOC_DATA_PACK="--min-bytes 2000"
export LH_DOC_TRAIN="--arch gpt:layers=2,width=64,heads=2 --seq-len 128 +--steps 3 --epochs 1 +--batch 2 +--total-batch-tokens 256
  +--val-every 3 +--val-tokens 1k --eval-lengths 64,128 --save-every 2 +--warmup 1"
export LH_DOC_COMPARE="--arch gpt:layers=1,width=32,heads=2 --seq-len 64 --steps 2 --batch 2 --total-batch-tokens 128 --warmup 1 --seeds 1
  --lengths 64,128 +--tokens 1k +--val-tokens 128"
export LH_DOC_GENERATE="--max-tokens 8"
export LH_DOC_CHAT="--max-tokens 8"
export LH_DOC_PPL="--lengths 64,128,256 --protocol stride=32 +--tokens 1k"
export LH_DOC_BENCH_ATTENTION="+--lengths 128 +--repeats 1 +--threads 1"
export LH_DOC_BENCH_CE="+--lengths 16 +--repeats 1 +--threads 1"
export LH_DOC_BENCH_TRAIN="+--lengths 64 +--repeats 1 +--threads 1"
export LH_DOC_BENCH_ENCODINGS="--pos cable +--lengths 32 +--generate 10 +--repeats 1 +--threads 1"
export LH_DOC_BENCH_PREFILL="+--repeats 1 +--threads 1"
export LH_DOC_BENCH_DECODE="+--new 16 +--threads 1"
export LH_DOC_BENCH_GEMM="+--repeats 1 +--threads 1"
export LH_DOC_BENCH_MEMORY="+--repeats 1 +--threads 1"
# `make demo`
export LH_DEMO_STEPS=3 LH_DEMO_TOKENS=2048
