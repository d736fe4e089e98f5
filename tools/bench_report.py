#!/usr/bin/env python3
"""Holds the rows of `make bench` against what is promised: tools/bench_report.py rows.jsonl --markdown table.md.

Exit code 1 when a promise is broken or could not be measured. --machine prints the machine's name for file names.
Rows of one thread are compared by processor time, which other jobs on the machine hardly change; others by wall clock.
"""
import argparse
import datetime
import json
import os
import re
import sys


def cpu():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else "unknown processor"


def machine():
    return re.sub(r"[^a-z0-9]+", "-", f"{cpu()} {len(os.sched_getaffinity(0))} cores".lower()).strip("-")


def seconds(row):
    return row.get("cpu_seconds_min", row["seconds_min"]) if row["threads"] == 1 else row["seconds_min"]


def speed(row):
    return row["tokens"] / seconds(row)


class Missing(Exception):
    pass


class Rows:
    def __init__(self, path):
        with open(path) as file:
            self.all = [json.loads(line) for line in file if line.strip()]

    def find(self, **wanted):
        """The last row with these keys, its own or its shape's."""
        for row in reversed(self.all):
            shape = row["shape"] if isinstance(row["shape"], dict) else {"size": row["shape"]}
            if all({**shape, **{k: v for k, v in row.items() if k != "shape"}}.get(k) == v for k, v in wanted.items()):
                if "error" in row:
                    raise Missing(f"{row['error']} ({wanted})")
                return row
        raise Missing(f"no row with {wanted}")


def attention(rows, threads):
    def row(**more):
        return rows.find(**{"bench": "attention", "threads": threads, "peer": "longhaul", "bias": "none", **more})

    def extra(length, bias):
        return row(T=length, bias=bias, skip_eps=0.0, **{"pass": "both"})["extra_mb"]

    for direction in ("forward", "both"):
        for length in (1024, 4096, 16384):
            at = {"T": length, "pass": direction}
            name = f"attention, {direction}, T={length}"
            yield f"{name}: against ATen's flash path", lambda at=at: seconds(row(peer="aten", **at)) / seconds(row(**at)), 1.1, None
            yield (f"{name}: Cable's time, nothing skipped, against no bias",
                   lambda at=at: seconds(row(bias="cable", skip_eps=0.0, **at)) / seconds(row(**at)), None, 1.05)
        at = {"T": 16384, "pass": direction}
        for bias in ("alibi", "cable"):
            yield (f"attention, {direction}, T=16384: {bias}'s time with skipping, fresh model, against no bias",
                   lambda at=at, bias=bias: seconds(row(bias=bias, skip_eps=1e-07, **at)) / seconds(row(**at)), None, 0.35)
    for bias in ("none", "cable"):
        yield (f"attention, both, bias {bias}: extra memory at 16k against 4k (4 is linear)",
               lambda bias=bias: extra(16384, bias) / max(extra(4096, bias), 1), None, 4.8)


def trained(rows, threads):
    for encoding in ("alibi", "cable"):
        def time(bias, encoding=encoding):
            model = f"runs/demo/{encoding}-seed1"
            return seconds(rows.find(bench="trained-attention", threads=threads, model=model, T=16384, bias=bias))
        yield f"attention, both, T=16384: trained {encoding}'s time with skipping against no bias", lambda t=time: t("own") / t("none"), None, 0.35


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


def loss(rows, threads):
    def row(peer):
        return rows.find(bench="ce", peer=peer, threads=threads, T=4096, V=50304)
    yield "head and cross entropy, T=4096: against PyTorch", lambda: seconds(row("aten")) / seconds(row("longhaul")), 1.0, None
    yield "head and cross entropy, T=4096: MB above inputs and gradients", lambda: row("longhaul")["extra_mb"], None, 300


def judge(rows):
    """[(promise, threads, measured or reason, wanted, holds)]"""
    verdicts = []
    threads = sorted({row["threads"] for row in rows.all})
    for n in threads:
        for group in (attention, trained, train, loss):
            for name, measure, low, high in group(rows, n):
                wanted = f"at least {low:g}" if low is not None else f"at most {high:g}"
                try:
                    value = measure()
                    holds = (low is None or value >= low) and (high is None or value <= high)
                    verdicts.append((name, n, f"{value:.3g}", wanted, holds))
                except Missing as reason:
                    verdicts.append((name, n, f"not measured: {reason}", wanted, False))
    return verdicts


def shape_text(row):
    shape = row["shape"] if isinstance(row["shape"], dict) else {"size": row["shape"]}
    also = {k: row[k] for k in ("pos", "length", "batch") if k in row}
    return " ".join(f"{k}={v}" for k, v in {**shape, **also}.items())


def markdown(rows, verdicts):
    today = datetime.date.today().isoformat()
    version = next((row["version"] for row in rows.all if row.get("peer") == "longhaul"), "longhaul")
    yield f"# Speed and memory: {cpu()}, {len(os.sched_getaffinity(0))} cores"
    yield ""
    yield f"{version}, {today}, made by `make bench`. Rows of one thread are compared by processor time, others by wall clock."
    yield ""
    yield "| promise | threads | measured | wanted | |"
    yield "| --- | --- | --- | --- | --- |"
    for name, threads, value, wanted, holds in verdicts:
        yield f"| {name} | {threads} | {value} | {wanted} | {'holds' if holds else '**missed**'} |"
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
    arguments = parser.parse_args()
    if arguments.machine:
        print(machine())
        return
    rows = Rows(arguments.rows)
    verdicts = judge(rows)
    if arguments.markdown:
        with open(arguments.markdown, "w") as file:
            file.writelines(line + "\n" for line in markdown(rows, verdicts))
    missed = [verdict for verdict in verdicts if not verdict[4]]
    for name, threads, value, wanted, holds in verdicts:
        print(f"{'holds ' if holds else 'MISSED'}  {threads} threads  {name}: {value} ({wanted})")
    print(f"bench: {len(verdicts) - len(missed)} of {len(verdicts)} promises hold")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
