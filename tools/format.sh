#!/usr/bin/env bash
# clang-format-14 over every source file: tools/format.sh rewrites; tools/format.sh --check names what it would rewrite and ends
# with 1, or with 77 when there is no clang-format-14.
set -euo pipefail
cd "$(dirname "$0")/.."
action=-i
[ "${1:-}" = --check ] && action="--dry-run --Werror"
if ! command -v clang-format-14 > /dev/null; then
  echo "format: clang-format-14 is not installed (Debian: clang-format-14); nothing was formatted or checked" >&2
  [ "$action" = -i ] && exit 2 || exit 77
fi
find src tests fuzz bench -path bench/peers -prune -o '(' -name '*.cpp' -o -name '*.h' ')' -print | sort | xargs -n 16 -P "$(nproc)" clang-format-14 $action || exit 1
