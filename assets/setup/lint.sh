#!/bin/sh
# `nextflow lint` on all that Nextflow reads, with warnings as failures (it ends with status 0 on them).
set -eu
cd "$(dirname "$0")/../.."
found=
for path in main.nf nextflow.config conf modules workflows; do [ ! -e "$path" ] || found="$found $path"; done
[ -n "$found" ] || { echo "lint: no Nextflow script here." >&2; exit 1; }
status=0
# shellcheck disable=SC2086  # the names above hold no space
out=$(.venv/bin/nextflow -log .venv/lint.log lint $found 2>&1) || status=$?
printf '%s\n' "$out"
[ "$status" = 0 ] || exit "$status"
if printf '%s\n' "$out" | grep '^Warn'; then
  echo "nextflow lint: the warnings above count as errors." >&2
  exit 1
fi
