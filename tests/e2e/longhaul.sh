#!/usr/bin/env bash
# Stands in for the program when a test runs the commands of a page: the same command line with the sizes of sizes.sh.
set -eu
name=$(echo "LH_DOC_${1:-}_${2:-}" | tr 'a-z' 'A-Z' | tr -cd 'A-Z_')
if [ -z "${!name:-}" ]; then
  name=$(echo "LH_DOC_${1:-}" | tr 'a-z' 'A-Z' | tr -cd 'A-Z_')
fi
arguments=("$@")
sizes=(${!name:-})
for ((i = 0; i < ${#sizes[@]}; i += 2)); do
  flag=${sizes[i]#+}
  given=
  for ((k = 0; k + 1 < ${#arguments[@]}; k++)); do
    if [ "${arguments[k]}" = "$flag" ]; then
      arguments[k + 1]=${sizes[i + 1]}
      given=yes
    fi
  done
  if [ -z "$given" ] && [ "$flag" != "${sizes[i]}" ]; then
    arguments+=("$flag" "${sizes[i + 1]}")
  fi
done
exec "$LH_PROGRAM" "${arguments[@]}"
