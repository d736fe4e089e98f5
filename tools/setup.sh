#!/usr/bin/env bash
# Makes sure that everything the build needs is there, and prints the folder of the LibTorch package as its only line on
# stdout. Quick when nothing is to be done. Arguments: `fuzz` is for the fuzz targets: clang, no LibTorch, an empty line.
#
#   LH_TORCH_ROOT    folder of a torch package to use (.../site-packages/torch)
#   LH_TORCH_INDEX   where pip looks for the wheel besides its own index (PyTorch's index of CPU wheels)
#   LH_PARQUET=1     fetches Arrow too (the pyarrow wheel, 50 MB, into .arrow), so that corpora may be Parquet files
#
# Without LH_TORCH_ROOT: the torch of `python3` when it is new enough, else a .venv beside the Makefile.
set -euo pipefail
cd "$(dirname "$0")/.."
torch_version=2.13.0
torch_oldest=2.11
arrow_version=26.0.1

say() { echo "setup: $*" >&2; }

# ---- Debian packages ------------------------------------------------------------------------------------------------
missing_packages() {
  local pair header
  for pair in g++:g++ cmake:cmake ninja:ninja-build ccache:ccache mold:mold gnuplot:gnuplot-nox python3:python3; do
    command -v "${pair%%:*}" > /dev/null || echo "${pair#*:}"
  done
  if [ "${1:-}" = fuzz ]; then
    command -v clang++-14 > /dev/null || echo clang-14
    compgen -G "/usr/lib/llvm-14/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a" > /dev/null || echo libclang-rt-14-dev
  fi
  # Headers by asking the compiler, so that libraries outside /usr count too; without a compiler all are named.
  local headers="hwy/highway.h:libhwy-dev CLI/CLI.hpp:libcli11-dev nlohmann/json.hpp:nlohmann-json3-dev
    spdlog/spdlog.h:libspdlog-dev fmt/format.h:libfmt-dev gtest/gtest.h:libgtest-dev xxhash.h:libxxhash-dev
    pcre2.h:libpcre2-dev utf8proc.h:libutf8proc-dev zlib.h:zlib1g-dev histedit.h:libedit-dev"
  for pair in $headers; do
    header=${pair%%:*}
    echo "#if !__has_include(<$header>)"
    echo "${pair#*:}"
    echo "#endif"
  done | if command -v g++ > /dev/null; then g++ -std=c++20 -E -P -x c++ -; else grep -v '^#'; fi
}

need() {
  [ $# -gt 0 ] || return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    say "installing $*"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >&2
  else
    echo "sudo apt-get install --no-install-recommends $*" >&2
    exit 2
  fi
}

# ---- LibTorch -------------------------------------------------------------------------------------------------------
has_libraries() {
  local torch=$1
  [ -f "$torch/lib/libtorch_cpu.so" ] && [ -f "$torch/include/ATen/core/Tensor.h" ] || return 1
  compgen -G "$torch/lib/libgomp*.so*" > /dev/null || compgen -G "$torch/../torch.libs/libgomp*.so*" > /dev/null
}

# The folder of the torch package that this Python would import (nothing is imported), when it can be built against.
torch_of() {
  local torch
  torch=$("$1" -c "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])" 2> /dev/null) || return 1
  has_libraries "$torch" || return 1
  "$1" - "$torch/version.py" "$torch_oldest" > /dev/null 2>&1 <<'PYTHON' || return 1
import re, sys
number = lambda text: [int(n) for n in re.findall(r"\d+", text)[:2]]
found = re.search(r"__version__ = '([^']+)'", open(sys.argv[1]).read()).group(1)
sys.exit(number(found) < number(sys.argv[2]))
PYTHON
  echo "$torch"
}

# .venv/.complete is written last: an environment without it was interrupted, or is somebody's own and proves itself by an import.
environment_is_whole() {
  local python=$PWD/.venv/bin/python3
  torch_of "$python" > /dev/null && { [ -f .venv/.complete ] || "$python" -c "import torch; torch.ones(2).sum()" > /dev/null 2>&1; }
}

make_environment() {
  if ! python3 -c "import ensurepip, venv" > /dev/null 2>&1; then
    need python3-venv
  fi
  say "making .venv with torch $torch_version (the CPU wheel, 200 MB)"
  rm -rf .venv
  python3 -m venv .venv >&2
  # PyTorch's index is asked for the wheel alone: pip prefers its 2.13.0+cpu to PyPI's CUDA build of several GB.
  local pip=".venv/bin/python3 -m pip install --quiet --disable-pip-version-check"
  { $pip --no-deps --retries 2 --extra-index-url "${LH_TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" "torch==$torch_version" &&
    $pip "torch==$torch_version"; } >&2 || {
    say "pip could not install torch $torch_version (see above); or set LH_TORCH_ROOT to the folder of a torch package"
    exit 2
  }
}

find_torch() {
  if [ -n "${LH_TORCH_ROOT:-}" ]; then
    has_libraries "$LH_TORCH_ROOT" || {
      say "LH_TORCH_ROOT=$LH_TORCH_ROOT: wanted a torch package (lib/libtorch_cpu.so, a libgomp, include/ATen), found none"
      exit 2
    }
    echo "$LH_TORCH_ROOT"
  elif ! torch_of python3; then
    environment_is_whole || make_environment
    touch .venv/.complete
    torch_of "$PWD/.venv/bin/python3" || { say "wanted a torch package with its libraries in .venv, found none"; exit 2; }
  fi
}

# ---- Arrow ----------------------------------------------------------------------------------------------------------
# Into a folder of its own: the torch in use may belong to an environment that is not ours to change.
find_arrow() {
  [ -f .arrow/.complete ] && return
  say "fetching Arrow $arrow_version (the pyarrow wheel, 50 MB) into .arrow"
  rm -rf .arrow
  local python=python3
  python3 -m pip --version > /dev/null 2>&1 || python=.venv/bin/python3
  $python -m pip install --quiet --disable-pip-version-check --no-deps --target .arrow "pyarrow==$arrow_version" >&2 || {
    say "pip could not install pyarrow $arrow_version (see above)"
    exit 2
  }
  touch .arrow/.complete
}

need $(missing_packages "$@")
if [ "${1:-}" = fuzz ]; then echo; else find_torch; fi
if [ "${LH_PARQUET:-}" = 1 ]; then find_arrow; fi
