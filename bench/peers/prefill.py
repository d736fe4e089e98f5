"""Prefill: tokens/s and memory of the inference engines on the checkpoints of make_models.py.

    python prefill.py --dir DIR [--models gpt2-124m,llama-160m] [--lengths 512,2048,8192] [--peers hf,ctranslate2,llama.cpp] [--low]

A prefill runs the whole prompt into an empty cache and computes the last row of logits only.
"""
from common import SHAPES, drive, emit, forward_flops, parser, timed
from engines import add_options, cells, open_engine, tokens_for


def run_cell(cell, args):
    model, length = cell["shape"]["model"], cell["length"]
    tokens = tokens_for(SHAPES[model]["vocab"], length)
    engine = open_engine(cell, args.dir, length + 8)
    warm = 0 if length > 4096 else 1
    if not warm:
        engine.prefill(tokens[:64])
    times = timed(lambda: engine.prefill(tokens), args.repeats, warm, args.timeout * 0.4)
    emit(cell, engine.version, length, times, forward_flops(model, length))


def main():
    p = parser(__doc__)
    add_options(p)
    p.add_argument("--lengths", default="512,2048,8192")
    args = p.parse_args()
    if args.quick:
        args.lengths, args.repeats = "512", 1
    drive(__file__, args, cells("prefill", args, map(int, args.lengths.split(",")), lambda n: f"pp{n}"), run_cell)


if __name__ == "__main__":
    main()
