#!/usr/bin/env bash
# Stands in for git when a test runs the commands of a page: what `git clone` would fetch is the folder we are in.
set -eu
[ "${1:-}" = clone ] && [ $# -ge 2 ] || { echo "git $*: wanted git clone URL [FOLDER], see CONTRIBUTING.md"; exit 2; }
ln -sfn . "${3:-$(basename "$2" .git)}"
