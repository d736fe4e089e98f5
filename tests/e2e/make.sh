#!/usr/bin/env bash
# Stands in for make when a test runs the commands of a page. The program is built already, and the tests are running.
set -eu
for target in "$@"; do
  case $target in
    demo) make_demo=yes ;;
    setup | build | test) echo "make $target: done before this page is run" ;;
    *) echo "make $target: wanted a target that tests/e2e can run, see CONTRIBUTING.md"; exit 2 ;;
  esac
done
if [ -n "${make_demo:-}" ]; then
  LH_DEMO_OUT=$PWD/runs/demo exec tools/demo.sh
fi
