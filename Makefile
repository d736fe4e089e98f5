# Every target does all the set-up it needs (tools/setup.sh); each is one script in tools/.
PREFIX ?= /usr/local
GOLDEN ?= ../shared/golden

.PHONY: help setup build test golden demo bench soak fuzz install format clean

help:
	@echo "make demo                 build, train three small GPTs, measure them past their training length, report"
	@echo "make test                 build, run every test"
	@echo "make build                build/release/bin/longhaul"
	@echo "make golden GOLDEN=DIR    compare with a folder of reference fixtures ($(GOLDEN))"
	@echo "make bench                speed and memory beside PyTorch, into docs/results/"
	@echo "make soak                 kill and resume, then fuzzing; long"
	@echo "make fuzz                 every fuzz target for LH_FUZZ_SECONDS (60)"
	@echo "make install PREFIX=DIR   program, library, headers ($(PREFIX))"
	@echo "make format               clang-format-14 over every source"
	@echo "make setup, make clean"

setup:
	@tools/setup.sh

build:
	@tools/build.sh release

test:
	@tools/test.sh "$(GOLDEN)"

golden:
	@tools/golden.sh "$(GOLDEN)"

demo:
	@tools/demo.sh

bench:
	@tools/bench.sh

soak:
	@tools/soak.sh

fuzz:
	@tools/fuzz.sh

install: build
	@cmake --install build/release --prefix "$(PREFIX)"

format:
	@tools/format.sh

# Keeps .venv (a download of 200 MB) and what was trained or packed (runs/, data/).
clean:
	rm -rf build
