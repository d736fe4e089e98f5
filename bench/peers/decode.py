"""Greedy decoding of one text: tokens/s after a prompt, the engines of prefill.py.

    python decode.py --dir DIR [--prompts 512,8192] [--new 128]

Each new token's time is stamped by the engine's own streaming hook, so the prompt is not in the figure. `seconds_med` is
the median gap times the number of gaps; `seconds_min` uses the tenth percentile, which is what a quiet machine would show.
"""
import numpy as np

from common import CPU, SHAPES, drive, emit, numbers_read, parser
from engines import add_options, cells, open_engine, tokens_for

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def run_cell(cell, args):
    model, dtype, length = cell["shape"]["model"], cell["shape"]["dtype"], cell["length"]
    tokens = tokens_for(SHAPES[model]["vocab"], length)
    engine = open_engine(cell, args.dir, length + args.new + 8)
    engine.generate(tokens[:32], 4)
    gaps = np.concatenate([np.diff(engine.generate(tokens, args.new), axis=0) for _ in range(args.repeats)])
    n = args.new - 1
    best, middle = (np.percentile(gaps, q, axis=0) * n for q in (10, 50))
    CPU[:] = [float(best[1])]
    read = BYTES.get(dtype, 1) * numbers_read(model, length) * n
    emit(cell, engine.version, n, [float(best[0]), float(middle[0]), float(middle[0])],
         gbyte_per_s=round(read / best[0] / 1e9, 1))


def main():
    p = parser(__doc__)
    add_options(p)
    p.add_argument("--prompts", default="512,8192")
    p.add_argument("--new", type=int, default=128)
    p.set_defaults(repeats=1)
    args = p.parse_args()
    if args.quick:
        args.prompts, args.new = "512", 32
    prompts = map(int, args.prompts.split(","))
    drive(__file__, args, cells("decode", args, prompts, lambda n: f"tg{args.new}@{n}"), run_cell)


if __name__ == "__main__":
    main()
