"""Shared by the peer benchmarks.

Every cell runs in a fresh child process: its peak RSS is its own, a crash or an out-of-memory costs one row, and
thread settings are in place before any library is imported. The child prints one JSON line per measurement.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time


def parser(doc, threads=(1, 2)):
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--threads", type=int, nargs="+", default=list(threads))
    p.add_argument("--repeats", type=int, default=3, help="timed repeats; the minimum and the median are printed")
    p.add_argument("--quick", action="store_true", help="smallest lengths, one repeat")
    p.add_argument("--limit-mb", type=int, default=20000, help="a cell above this resident size is stopped: 'oom' row")
    p.add_argument("--timeout", type=int, default=400, help="seconds per cell: 'timeout' row")
    p.add_argument("--only", default="", help="comma list; run cells whose JSON contains every item")
    p.add_argument("--list", action="store_true", help="print the cells and stop")
    p.add_argument("--cell", help=argparse.SUPPRESS)
    return p


def drive(script, args, cells, run_cell):
    """Parent: spawns one child per cell. Child (--cell): runs it. A cell has bench, peer, shape and what the script adds."""
    if args.cell:
        return run_cell(json.loads(args.cell), args)
    words = [w for w in args.only.split(",") if w]
    for cell in cells:
        for threads in args.threads:
            text = json.dumps({**cell, "threads": threads})
            if not all(w in text for w in words):
                continue
            if args.list:
                print(text)
                continue
            spawn(script, args, text, threads)


def spawn(script, args, text, threads):
    import psutil
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="true",
               RAYON_NUM_THREADS=str(threads), TRANSFORMERS_VERBOSITY="error", HF_HUB_OFFLINE="1")
    passed = [a for a in sys.argv[1:] if a != "--list"]
    child = subprocess.Popen([sys.executable, script, *passed, "--cell", text], env=env, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    start, peak, why = time.time(), 0, ""
    process = psutil.Process(child.pid)
    import threading
    out = {}
    reader = threading.Thread(target=lambda: out.update(zip(("o", "e"), child.communicate())))
    reader.start()
    while reader.is_alive():
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.Error:
            pass
        if peak > args.limit_mb * 1e6:
            why = "oom"
        elif time.time() - start > args.timeout:
            why = "timeout"
        if why:
            child.kill()
            break
        reader.join(0.1)
    reader.join()
    sys.stdout.write(out.get("o", ""))
    if why or child.returncode:
        tail = out.get("e", "").strip().splitlines()[-1:] or [""]
        print(json.dumps({**json.loads(text), "error": why or tail[0][:200], "peak_rss_mb": round(peak / 1e6)}))
    sys.stdout.flush()


def timed(fn, repeats, warmup=1, budget=60.0):
    """Seconds of each repeat. Stops early (at least one repeat) once `budget` seconds are spent."""
    spent, times = 0.0, []
    CPU.clear()
    for i in range(warmup + repeats):
        c, t = time.process_time(), time.perf_counter()
        fn()
        wall = time.perf_counter() - t
        spent += wall
        if i >= warmup or spent > budget / 2:
            times.append(wall)
            CPU.append(time.process_time() - c)
        if spent > budget or (i < warmup and times):
            break
    return times


CPU = []      # processor seconds of the repeats of the latest timed(), all threads together


def emit(cell, version, tokens, times, flops=None, **extra):
    """One JSON line: the cell's keys, then what was measured. `flops` is the work of one repeat; rates use the best repeat."""
    best, threads = min(times), cell["threads"]
    row = {**cell, "version": version, "tokens": tokens, "seconds_min": round(best, 5),
           "seconds_med": round(statistics.median(times), 5), "repeats": len(times),
           "tok_per_s": round(tokens / best, 2) if tokens else None,
           "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)}
    if flops:
        row["gflop_per_s"] = round(flops / best / 1e9, 1)
    if CPU and threads == 1:        # one thread: processor time is what a quiet machine's clock would have shown
        quiet = min(CPU)
        row["cpu_seconds_min"] = round(quiet, 5)
        row["tok_per_cpu_s"] = round(tokens / quiet, 2) if tokens else None
        if flops:
            row["gflop_per_cpu_s"] = round(flops / quiet / 1e9, 1)
    print(json.dumps({**row, **extra}), flush=True)


class PeakWatch:
    """Peak memory of this process above what is resident when the watch is made (Linux: clear_refs, proc(5))."""

    def __init__(self):
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
        self.start = self.status("VmRSS")

    def status(self, key):
        with open("/proc/self/status") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith(key + ":"))

    def above_start(self):
        return max(0, self.status("VmHWM") - self.start)


# ---- the checkpoints that make_models.py writes -----------------------------------------------------------------------

SHAPES = {
    "gpt2-124m": dict(kind="gpt2", layers=12, width=768, heads=12, kv=12, ff=3072, vocab=50257),
    "llama-160m": dict(kind="llama", layers=12, width=768, heads=12, kv=4, ff=2048, vocab=32000),
}


def matrix_numbers(shape):
    """Numbers of one layer's matrices."""
    s = SHAPES[shape]
    c, hd = s["width"], s["width"] // s["heads"]
    return 2 * c * c + 2 * c * s["kv"] * hd + (2 if s["kind"] == "gpt2" else 3) * c * s["ff"]


def forward_flops(shape, tokens, head_rows=1):
    """Multiply-adds x2 of one forward pass over `tokens`: matrices, causal attention (half the square), head."""
    s = SHAPES[shape]
    c, n = s["width"], s["layers"]
    return n * (2 * matrix_numbers(shape) * tokens + 2 * 2 * c * tokens * (tokens + 1) // 2) + 2 * c * s["vocab"] * head_rows


def numbers_read(shape, length):
    """Numbers that a token reads behind `length` others: matrices, head, keys and values (counted at the weights' width)."""
    s = SHAPES[shape]
    hd = s["width"] // s["heads"]
    return s["layers"] * (matrix_numbers(shape) + 2 * s["kv"] * hd * length) + s["width"] * s["vocab"]
