#!/usr/bin/env python3
"""Holds the demonstration's perplexities against what it promises: tools/demo_check.py results.csv [--steps N].

Exit code 1 when a promise is broken. Runs of fewer than 1,000 steps are shorter than what the promise was made for: the
comparison is printed and the exit code is 0.
"""
import argparse
import csv
import sys

LENGTHS = (128, 2048)       # trained at, measured at
PROMISED_STEPS = 1000


def read(path):
    """{(position, length): perplexity}"""
    with open(path, newline="") as file:
        table = {(row["position"], int(row["length"])): float(row["perplexity"]) for row in csv.DictReader(file)}
    missing = [f"{p} at {n}" for p in ("rope", "alibi", "cable") for n in LENGTHS if (p, n) not in table]
    if missing:
        sys.exit(f"demo: {path}: wanted perplexities of {', '.join(missing)}, found none")
    return table


def promises(ppl):
    """(text, measured, smallest allowed or None, largest allowed or None)"""
    short, long = LENGTHS
    yield "RoPE at 2,048 against itself at 128", ppl["rope", long] / ppl["rope", short], 2, None
    for other, name in (("alibi", "ALiBi"), ("cable", "Cable")):
        yield f"RoPE at 2,048 against {name} at 2,048", ppl["rope", long] / ppl[other, long], 2, None
        yield f"{name} at 2,048 against itself at 128", ppl[other, long] / ppl[other, short], None, 1
    for other, name, share in (("cable", "Cable", 1.10), ("alibi", "ALiBi", 1.25)):
        ratio = ppl[other, short] / ppl["rope", short]
        yield f"{name} against RoPE at 128, where they trained", max(ratio, 1 / ratio), None, share


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="CSV of `longhaul report`")
    parser.add_argument("--steps", type=int, default=PROMISED_STEPS, help="optimizer steps of the runs")
    arguments = parser.parse_args()
    broken = 0
    for text, measured, low, high in promises(read(arguments.results)):
        holds = (low is None or measured >= low) and (high is None or measured <= high)
        broken += not holds
        wanted = f"at least {low:g}" if low is not None else f"at most {high:g}"
        print(f"{'holds ' if holds else 'BROKEN'}  {text}: {measured:.2f} times ({wanted})")
    if arguments.steps < PROMISED_STEPS:
        print(f"demo: {arguments.steps} steps; the result is promised for {PROMISED_STEPS} and more, so nothing was asserted")
    elif broken:
        sys.exit(f"demo: {broken} promises broken")
    else:
        print("demo: the promised result holds")


if __name__ == "__main__":
    main()
