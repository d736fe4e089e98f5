#!/usr/bin/env python3
"""Kills a training run and an evaluation again and again (SIGKILL, at random moments) and lets each go on: the results must be
bit for bit those of an undisturbed run, no sample lost, no journal key twice.

    python3 tools/soak.py [--program build/release/bin/longhaul] [--kills 50] [--seed 1] [--keep FOLDER]
"""
import argparse
import filecmp
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

CORPUS = ["src", "tests"]
TRAIN = ["--arch", "gpt:layers=2,width=64,heads=2", "--pos", "cable", "--order", "shuffled", "--seq-len", "64", "--batch", "4",
         "--total-batch-tokens", "512", "--steps", "300", "--warmup", "20", "--save-every", "7", "--val-every", "25",
         "--val-tokens", "2k", "--eval-lengths", "64,128", "--seed", "3"]
PPL = ["--lengths", "64,128,256,512", "--protocol", "stride=16", "--tokens", "16k"]
TIMES = {"ms", "tok_per_s", "time"}      # of a log line: what may differ
SHARE, LONGEST = 1 / 12, 2.5             # a kill comes within this share of a run's work and this many seconds of it: 50 kills
                                         # are some two runs on a quiet machine, and take minutes on a busy one


class Soak:
    def __init__(self, program, folder, kills, seed):
        self.program, self.folder, self.kills, self.random = os.path.abspath(program), folder, kills, random.Random(seed)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def start(self, arguments):
        with open(self.path("output"), "wb") as output:
            return subprocess.Popen([self.program, *arguments], stdout=output, stderr=subprocess.STDOUT)

    def output(self):
        with open(self.path("output"), "rb") as file:
            return file.read()

    def finish(self, child, arguments):
        if child.wait() != 0:
            sys.exit(f"soak: longhaul {' '.join(arguments)}: exit code {child.returncode}\n"
                     f"{self.output()[-2000:].decode(errors='replace')}")

    def run(self, arguments, works=lambda child: True):
        """To the end; the seconds until it worked, and those it worked."""
        child, begin = self.start(arguments), time.monotonic()
        while not works(child) and child.poll() is None:
            time.sleep(0.002)
        working = time.monotonic()
        self.finish(child, arguments)
        return working - begin, time.monotonic() - working

    def run_killed(self, arguments, works, starting, working):
        """True when it was killed, False when it ended by itself before. One kill in four may come while it starts, the others
        come at a random moment after its first result, however busy the machine is."""
        child = self.start(arguments)
        delay = self.random.uniform(0, starting + working)
        if self.random.random() < 0.75:
            while not works(child) and child.poll() is None:
                time.sleep(0.002)
            delay = self.random.uniform(0, working)
        try:
            child.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            return True
        self.finish(child, arguments)
        return False

    def kill_until_done(self, name, next_arguments, fresh, check, works, times):
        """Runs, kills, goes on; begins anew when a whole run ended before all kills were done. Checks every finished one."""
        starting, working = times
        kills = finished = 0
        begin = time.monotonic()
        fresh()
        while kills < self.kills:
            if self.run_killed(next_arguments(), works, starting, min(working * SHARE, LONGEST)):
                kills += 1
                print(f"\r{name}: {kills} of {self.kills} kills", end="", file=sys.stderr, flush=True)
            else:
                check()
                finished += 1
                fresh()
        self.run(next_arguments())
        check()
        print(f"\r{name}: {kills} kills in {time.monotonic() - begin:.0f} s, {finished + 1} runs finished (undisturbed: "
              f"{starting:.1f} s to start, {working:.1f} s of work), each as the undisturbed one", flush=True)

    def pack(self):
        self.run(["data", "pack", "--tokenizer", "bytes", "--ext", ".h,.cpp", "--out", self.path("data"), *CORPUS])

    def train(self):
        reference, run = self.path("reference"), self.path("run")
        make = lambda out: ["train", *TRAIN, "--data", self.path("data"), "--out", out, "--json"]
        works = lambda child: b'"kind":"step"' in self.output()
        times = self.run(make(reference), works)

        def next_arguments():
            if os.path.exists(os.path.join(run, "train.json")):
                return ["train", "--resume", run, "--json"]
            shutil.rmtree(run, ignore_errors=True)      # killed before it was a run
            return make(run)

        def check():
            for name in ("model.safetensors", "config.json"):
                if not filecmp.cmp(os.path.join(reference, name), os.path.join(run, name), shallow=False):
                    sys.exit(f"soak: training: {name} of {run} differs from that of the undisturbed run")
            expected, found = log_of(reference), log_of(run)
            if expected != found:
                sys.exit(f"soak: training: log.jsonl of {run} differs from that of the undisturbed run")

        self.kill_until_done("training", next_arguments, lambda: shutil.rmtree(run, ignore_errors=True), check, works, times)

    def ppl(self):
        def arguments(journal):
            return ["ppl", "--model", self.path("reference"), "--data", self.path("data"), "--out", journal, *PPL]

        def works_in(journal):
            return lambda child: any(b'"kind":"sample"' in read(segment) for segment in segments_of(journal, f"-{child.pid}-"))
        reference, journal = self.path("journal-reference"), self.path("journal")
        times = self.run(arguments(reference), works_in(reference))
        expected = samples_of(reference)

        def check():
            if samples_of(journal) != expected:
                sys.exit(f"soak: ppl: the samples of {journal} differ from those of the undisturbed run")

        self.kill_until_done("ppl", lambda: arguments(journal), lambda: shutil.rmtree(journal, ignore_errors=True), check,
                             works_in(journal), times)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def segments_of(journal, having=""):
    names = os.listdir(journal) if os.path.isdir(journal) else []
    return [os.path.join(journal, name) for name in sorted(names) if name.startswith("segment-") and having in name]


def log_of(run):
    """The log without times and without the lines that each start writes."""
    with open(os.path.join(run, "log.jsonl")) as file:
        lines = [json.loads(line) for line in file]
    return [{k: v for k, v in line.items() if k not in TIMES} for line in lines if line["kind"] != "start"]


def samples_of(journal):
    """{key: (sample, reference, reply)}; a key twice is an error, a torn last line of a segment is nobody's."""
    samples = {}
    for segment in segments_of(journal):
        for line in read(segment).split(b"\n")[:-1]:
            record = json.loads(line)
            if record["kind"] != "sample":
                continue
            if record["key"] in samples:
                sys.exit(f"soak: ppl: key {record['key']} is twice in {journal}")
            samples[record["key"]] = tuple(json.dumps(record[part]) for part in ("sample", "reference", "reply"))
    return samples


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/bin/longhaul")
    parser.add_argument("--kills", type=int, default=50, help="of training, and of ppl")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--keep", help="work in this new folder and leave it")
    arguments = parser.parse_args()
    folder = arguments.keep or tempfile.mkdtemp(prefix="longhaul-soak-")
    os.makedirs(folder, exist_ok=True)
    soak = Soak(arguments.program, folder, arguments.kills, arguments.seed)
    soak.pack()
    soak.train()
    soak.ppl()
    if not arguments.keep:
        shutil.rmtree(folder)
    print("soak: passed")


if __name__ == "__main__":
    main()
