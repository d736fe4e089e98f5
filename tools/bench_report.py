#!/usr/bin/env python3
"""Holds the rows of `make bench` against what is promised: tools/bench_report.py rows.jsonl --markdown table.md.

Exit code 1 when a promise is broken, or a row for it is missing; a part of the bench without any row is named and not judged.
--machine prints the machine's name for file names; --best prints each cell's fastest row, when it was measured in several rounds.
Rows of one thread are compared by processor time, which other jobs on the machine hardly change; others by wall clock.
"""
import argparse
import datetime
import json
import os
import re
import sys


def cpu():
    with open("/proc/cpuinfo") as file:  # as src/base/machine.cpp says it
        first = dict([part.strip() for part in line.split(":", 1)] for line in file.read().split("\n\n")[0].splitlines())
    name = first.get("model name", "unknown processor")
    return f"{name} (family {first['cpu family']}, model {first['model']})" if {"cpu family", "model"} <= first.keys() else name


def machine():
    return re.sub(r"[^a-z0-9]+", "-", f"{cpu()} {len(os.sched_getaffinity(0))} cores".lower()).strip("-")


def seconds(row):
    return row.get("cpu_seconds_min", row["seconds_min"]) if row["threads"] == 1 else row["seconds_min"]


def speed(row):
    return row["tokens"] / seconds(row)


class Missing(Exception):
    pass


def in_turns(row, baseline):
    """How many times as fast as a baseline that was measured in turns with it, whatever the machine did meanwhile."""
    try:
        return row["ratio_to"][baseline]
    except KeyError:
        raise Missing(f"no row measured in turns with {baseline}: {row['bench']} {row['shape']}") from None


class Rows:
    def __init__(self, path):
        with open(path) as file:
            self.all = [json.loads(line) for line in file if line.strip()]

    def find(self, **wanted):
        """The last row with these keys, its shape's or its own: a shape names a model, a row may hold the folder that it is in."""
        for row in reversed(self.all):
            shape = row["shape"] if isinstance(row["shape"], dict) else {"size": row["shape"]}
            if all({**row, **shape}.get(k) == v for k, v in wanted.items()):
                if "error" in row:
                    raise Missing(f"{row['error']} ({wanted})")
                return row
        raise Missing(f"no row with {wanted}")


CELL = ("part", "bench", "peer", "case", "shape", "pass", "pos", "length", "batch", "model", "dtype", "skip_eps", "recompute", "threads")


def best(rows):
    fastest = {}
    for row in rows.all:
        cell = json.dumps([row.get(key) for key in CELL])
        if cell not in fastest or "error" in fastest[cell] or ("error" not in row and seconds(row) < seconds(fastest[cell])):
            fastest[cell] = row
    return list(fastest.values())


def attention(rows, threads):
    def row(**more):
        return rows.find(**{"bench": "attention", "threads": threads, "peer": "longhaul", "bias": "none", **more})

    def extra(length, bias):
        return row(T=length, bias=bias, skip_eps=0.0, **{"pass": "both"})["extra_mb"]

    for direction in ("forward", "both"):
        for length in (1024, 4096, 16384):
            at = {"T": length, "pass": direction}
            name = f"attention, {direction}, T={length}"
            yield f"{name}: against ATen's flash path", lambda at=at: in_turns(row(**at), "aten"), 1.1, None
            yield (f"{name}: Cable's time, nothing skipped, against no bias",
                   lambda at=at: 1 / in_turns(row(bias="cable", skip_eps=0.0, **at), "no bias"), None, 1.05)
        at = {"T": 16384, "pass": direction}
        for bias in ("alibi", "cable"):
            yield (f"attention, {direction}, T=16384: {bias}'s time with skipping, fresh model, against no bias",
                   lambda at=at, bias=bias: 1 / in_turns(row(bias=bias, skip_eps=1e-07, **at), "no bias"), None, 0.35)
    for bias in ("none", "cable"):
        yield (f"attention, both, bias {bias}: extra memory at 16k against 4k (4 is linear)",
               lambda bias=bias: extra(16384, bias) / max(extra(4096, bias), 1), None, 4.8)


def trained(rows, threads):
    for encoding in ("alibi", "cable"):
        def time(model=f"runs/demo/{encoding}-seed1"):
            own = rows.find(bench="trained-attention", threads=threads, model=model, T=16384, bias="own")
            return 1 / in_turns(own, "no bias")
        yield f"attention, both, T=16384: trained {encoding}'s time with skipping against no bias", time, None, 0.35


def train(rows, threads):
    def ours(size, pos, length):
        return rows.find(bench="train", peer="longhaul", size=size, pos=pos, length=length, threads=threads)

    def rival(size, pos, length, peer="torch-eager"):
        return rows.find(bench="train", peer=peer, size=size, pos=pos, length=length, threads=threads)

    for size, pos, length, peer, least in (("small", "rope", 512, "torch-eager", 1.15), ("mini", "rope", 512, "torch-eager", 1.3),
                                           ("mini", "cable", 2048, "torch-eager", 2.0), ("mini", "cable", 2048, "torch-compile", 1.2)):
        yield (f"train {size}, {pos}, T={length}: tokens/s against {peer}",
               lambda a=(size, pos, length), p=peer: speed(ours(*a)) / speed(rival(*a, p)), least, None)
    for length in (512, 2048):
        yield (f"train mini, rope, T={length}: memory above weights, gradients, moments against PyTorch's",
               lambda n=length: ours("mini", "rope", n)["extra_mb"] / rival("mini", "rope", n)["extra_mb"], None, 0.4)
    yield ("train mini, cable: tokens/s at 16k against 1k",
           lambda: speed(ours("mini", "cable", 16384)) / speed(ours("mini", "cable", 1024)), 0.5, None)


def encodings(rows, threads):
    def step(pos, peer="longhaul"):
        bench = {"bench": "encodings", "pass": "train"} if peer == "longhaul" else {"bench": "train"}
        return rows.find(**bench, peer=peer, size="mini", pos=pos, length=1024, threads=threads)

    def generation(kind):
        row = rows.find(**{"bench": "encodings", "pass": kind, "size": "mini", "pos": "cable", "length": 512, "threads": threads})
        return seconds(row)

    def added(pos, peer):
        return seconds(step(pos, peer)) - seconds(step("nope", peer))

    for pos in ("alibi", "kerple", "t5"):
        yield f"train mini, {pos}, T=1024: tokens/s against nope", lambda p=pos: speed(step(p)) / speed(step("nope")), 0.95, None
    for pos, least in (("fire", 3), ("cope", 2), ("dape", 2)):
        rival = f"train mini, {pos}, T=1024: "
        # Of the form itself: docs/decisions/003. The whole step is there to be read.
        yield f"{rival}tokens/s against torch-eager", lambda p=pos: speed(step(p)) / speed(step(p, "torch-eager")), None, None
        yield (f"{rival}what it adds to a step without it, torch-eager's against ours",
               lambda p=pos: added(p, "torch-eager") / max(added(p, "longhaul"), 1e-9), least, None)
        yield (f"{rival}memory above weights, gradients, moments against PyTorch's",
               lambda p=pos: step(p)["extra_mb"] / step(p, "torch-eager")["extra_mb"], None, 0.25)
    yield "generate mini, cable, 512 tokens: with a cache against recomputation", lambda: generation("recompute") / generation("generate"), 10, None


TOKENIZERS = (("gpt-neox-20b", "tiktoken", 1.5), ("llama-2", "sentencepiece", 3), ("unigram-sentencepiece", "sentencepiece", 3),
              ("unigram-tokenizers", "tokenizers", 3))


def tokenize(rows, threads):
    def row(*cell, peer="longhaul", n=threads):
        return rows.find(bench="tokenize", peer=peer, tokenizer=cell[0], mode=cell[1], threads=n)

    for tokenizer, peer, least in TOKENIZERS:
        for mode in ("text", "documents"):
            cell, name = (tokenizer, mode), f"tokenize with {tokenizer}, {mode}"
            yield (f"{name}: against {peer}", lambda c=cell, p=peer: seconds(row(*c, peer=p)) / seconds(row(*c)),
                   least if threads == 1 else None, None)
            if threads > 1:
                yield (f"{name}: against one thread", lambda c=cell: row(*c, n=1)["seconds_min"] / row(*c)["seconds_min"],
                       0.9 * threads if mode == "documents" or peer == "tiktoken" else None, None)  # SentencePiece's texts have no safe cuts


ENGINES = ("hf", "ctranslate2", "llama.cpp")


def inference(rows, bench, threads, model, test, peer="longhaul", weights="f32"):
    keys = {"weights": weights} if peer == "longhaul" else {"dtype": "float32"}
    return rows.find(bench=bench, threads=threads, model=model, test=test, peer=peer, **keys)


def fastest_engine(rows, *cell):
    """The best speed of another engine in any of its variants; those that do not run are rows that say why."""
    speeds = [speed(row) for row in rows.all if row["peer"] in ENGINES and "error" not in row and row["shape"]["dtype"] == "float32"
              and (row["bench"], row["threads"], row["shape"]["model"], row["shape"]["test"]) == cell]
    if not speeds:
        raise Missing(f"no row of another engine for {cell}")
    return max(speeds)


def prefill(rows, threads):
    for model in ("gpt2-124m", "llama-160m"):
        for length in (512, 2048, 8192):
            cell = ("prefill", threads, model, f"pp{length}")
            name = f"prefill {model}, {length} tokens"
            yield f"{name}: against the fastest other engine", lambda c=cell: speed(inference(rows, *c)) / fastest_engine(rows, *c), 1.1, None
            yield (f"{name}: % of the matrix products' rate", lambda c=cell: inference(rows, *c)["percent_of_bound"],
                   85 if length <= 2048 else None, None)
            yield f"{name}: memory against weights and cache", lambda c=cell: inference(rows, *c)["memory_ratio"], None, 1.15
            yield f"{name}: ms of a fork", lambda c=cell: inference(rows, *c)["fork_ms"], None, 10


def decode(rows, threads):
    for model in ("gpt2-124m", "llama-160m"):
        for prompt in (512, 8192):
            cell = ("decode", threads, model, f"tg128@{prompt}")
            name = f"decode {model}, behind {prompt} tokens"
            yield f"{name}: % of the memory's read rate", lambda c=cell: inference(rows, *c)["percent_of_bound"], 90, None
            yield f"{name}: against the fastest other engine", lambda c=cell: speed(inference(rows, *c)) / fastest_engine(rows, *c), None, None
            for weights, least in (("bf16", 1.7), ("int8", 2.5)):
                yield (f"{name}: {weights} weights against f32",
                       lambda c=cell, w=weights: speed(inference(rows, *c, weights=w)) / speed(inference(rows, *c)),
                       least if prompt == 512 else None, None)
            yield f"{name}: memory against weights and cache", lambda c=cell: inference(rows, *c)["memory_ratio"], None, 1.15


def loss(rows, threads):
    def row(peer):
        return rows.find(bench="ce", peer=peer, threads=threads, T=4096, V=50304)
    yield "head and cross entropy, T=4096: against PyTorch", lambda: seconds(row("aten")) / seconds(row("longhaul")), 1.0, None
    yield "head and cross entropy, T=4096: MB above inputs and gradients", lambda: row("longhaul")["extra_mb"], None, 300


PARTS = {"attention": (attention, trained), "ce": (loss,), "train": (train,), "encodings": (encodings,), "tokenize": (tokenize,),
         "prefill": (prefill,), "decode": (decode,)}


def unmeasured(rows):
    return [part for part in PARTS if all(row["part"] != part for row in rows.all)]


NO_PROMISE = "no promise"  # a figure to be read, not judged


def judge(rows):
    """[(promise, threads, measured or reason, wanted, holds)]"""
    verdicts = []
    threads = sorted({row["threads"] for row in rows.all})
    groups = [group for part, groups in PARTS.items() if part not in unmeasured(rows) for group in groups]
    for n in threads:
        for group in groups:
            for name, measure, low, high in group(rows, n):
                wanted = f"at least {low:g}" if low is not None else f"at most {high:g}" if high is not None else NO_PROMISE
                try:
                    value = measure()
                    holds = (low is None or value >= low) and (high is None or value <= high)
                    verdicts.append((name, n, f"{value:.3g}", wanted, holds))
                except Missing as reason:
                    verdicts.append((name, n, f"not measured: {reason}", wanted, False))
    return verdicts


def shape_text(row):
    shape = row["shape"] if isinstance(row["shape"], dict) else {"size": row["shape"]}
    also = {k: row[k] for k in ("pass", "pos", "length", "batch") if k in row}
    return " ".join(f"{k}={v}" for k, v in {**shape, **also}.items())


def markdown(rows, verdicts):
    today = datetime.date.today().isoformat()
    versions = list(dict.fromkeys(row["version"] for row in rows.all if row.get("peer") == "longhaul"))
    yield f"# Speed and memory: {cpu()}, {len(os.sched_getaffinity(0))} cores"
    yield ""
    yield f"{', '.join(versions)}, {today}, made by `make bench`. Rows of one thread are compared by processor time, others by wall clock."
    for part in unmeasured(rows):
        yield f"Part `{part}` was not measured."
    yield ""
    yield "| promise | threads | measured | wanted | |"
    yield "| --- | --- | --- | --- | --- |"
    for name, threads, value, wanted, holds in verdicts:
        verdict = "" if wanted == NO_PROMISE else "holds" if holds else "**missed**"
        yield f"| {name} | {threads} | {value} | {wanted} | {verdict} |"
    yield ""
    yield "| bench | peer | shape | threads | ms | tok/s | GFLOP/s | % of bound | peak MB | extra MB |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in rows.all:
        head = f"| {row.get('bench', 'train')} | {row['peer']} | {shape_text(row)} | {row['threads']} |"
        if "error" in row:
            yield f"{head} {row['error']} | | | | | |"
            continue
        cells = [f"{1e3 * row['seconds_min']:.1f}"]
        cells += [str(row.get(key, "")) for key in ("tok_per_s", "gflop_per_s", "percent_of_bound", "peak_rss_mb", "extra_mb")]
        yield f"{head} {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="?", help="JSON lines of `longhaul bench` and bench/peers")
    parser.add_argument("--markdown", help="where the table goes")
    parser.add_argument("--machine", action="store_true", help="print the machine's name and stop")
    parser.add_argument("--best", action="store_true", help="print the fastest row of each cell and stop")
    arguments = parser.parse_args()
    if arguments.machine:
        print(machine())
        return
    rows = Rows(arguments.rows)
    if arguments.best:
        print("\n".join(json.dumps(row, separators=(",", ":")) for row in best(rows)))
        return
    verdicts = judge(rows)
    if arguments.markdown:
        with open(arguments.markdown, "w") as file:
            file.writelines(line + "\n" for line in markdown(rows, verdicts))
    promises = [verdict for verdict in verdicts if verdict[3] != NO_PROMISE]
    missed = [verdict for verdict in promises if not verdict[4]]
    for name, threads, value, wanted, holds in verdicts:
        print(f"{'      ' if wanted == NO_PROMISE else 'holds ' if holds else 'MISSED'}  {threads} threads  {name}: {value} ({wanted})")
    for part in unmeasured(rows):
        print(f"not measured: {part}")
    print(f"bench: {len(promises) - len(missed)} of {len(promises)} promises hold")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
