#!/bin/sh
# Fill .venv from the locked packages beside this file, every one checked against its SHA-256.
#   environment.sh bare      only the virtual environment
#   environment.sh engine    and what fetches Nextflow and Java (needs no torch)
#   environment.sh all       and everything that the pipeline and its tests import
# Called again it does nothing, offline too, unless the lock changed or the last time was interrupted.
set -eu
cd "$(dirname "$0")/../.."
what=${1:-all}
setup=assets/setup
python=.venv/bin/python

fail() { echo "$*" >&2; exit 1; }
recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
ready() { cmp -s "$setup/$1.txt" ".venv/.installed-$1"; }

case $what in
  engine) lock=engine ;;
  all) lock=lock ;;
  bare) lock=none ;;
  *) fail "environment.sh takes bare, engine or all, not '$what'." ;;
esac
# the whole lock holds the engine's packages too
if [ -x "$python" ] && { ready lock || ready "$lock"; }; then exit 0; fi

if [ -x "$python" ] && ! recent "$python"; then
  fail "The folder .venv here does not start a Python of 3.11 or later: remove it and call make again."
fi
if ! "$python" -m pip --version >/dev/null 2>&1; then
  chosen=
  for name in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14; do
    if recent "$name"; then chosen=$name; break; fi
  done
  [ -n "$chosen" ] || fail "Python 3.11 or later is needed and was not found on the PATH (python3 there: $(python3 --version 2>/dev/null || echo none)); name another one with 'make PYTHON=/path/to/python3 ...'."
  "$chosen" -c 'import venv, ensurepip' 2>/dev/null || fail "Python's venv module is not complete on this machine: install it (on Debian and Ubuntu the package python3-venv), then call make again."
  echo "Making a virtual environment in .venv with $("$chosen" --version)."
  "$chosen" -m venv .venv
fi
[ "$what" != bare ] || exit 0

if [ "$lock" = lock ]; then
  echo "Installing Python packages into .venv: a download of 3.3 GB that takes 6 GB of disk, because the"
  echo "registry's PyTorch brings NVIDIA's CUDA libraries along. Once only; a call after an interruption goes on."
else
  echo "Installing what fetches Nextflow into .venv: a download of about 60 MB."
fi

# uv asks for certificates and registries by other names than pip does: what a person has told pip holds for both
certificates=${SSL_CERT_FILE:-${PIP_CERT:-${REQUESTS_CA_BUNDLE:-}}}
[ -z "$certificates" ] || export SSL_CERT_FILE="$certificates"
index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-$("$python" -m pip config get global.index-url 2>/dev/null || true)}}}
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
export PIP_DISABLE_PIP_VERSION_CHECK=1 UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"

ready uv || "$python" -m pip install --quiet --require-hashes -r "$setup/uv.txt" \
  || fail "pip could not install uv (above is why): nothing else was installed."
cp "$setup/uv.txt" .venv/.installed-uv

# uv links files from its cache, so that they take disk once: a person's own cache where it is on the same file system,
# otherwise one inside .venv that goes away at the end (a home folder on a cluster rarely has room for it)
own=$("$python" -m uv cache dir 2>/dev/null || true)
if [ -z "${UV_CACHE_DIR:-}" ] && ! { [ -d "$own" ] && [ "$(stat -c %d "$own")" = "$(stat -c %d .venv)" ]; }; then
  export UV_CACHE_DIR=.venv/.cache
fi
"$python" -m uv pip install --python "$python" --require-hashes -r "$setup/$lock.txt" \
  || fail "The installation stopped (above is why): call make again and it goes on from there."
rm -rf .venv/.cache

if [ "$lock" = lock ]; then
  # both by relative paths: the checkout can be moved
  site=$("$python" -c 'import os, sysconfig; print(os.path.relpath(sysconfig.get_path("purelib")))')
  up=$(printf '%s\n' "$site" | sed 's,[^/][^/]*,..,g')
  printf '%s\n' "$up" > "$site/rprloc-checkout.pth"
  cat > .venv/bin/rprloc <<'END'
#!/bin/sh
# the checkout's command with the checkout's Python
here=$(CDPATH= cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
exec "$here/python3" "$here/../../bin/rprloc" "$@"
END
  chmod +x .venv/bin/rprloc
fi
cp "$setup/$lock.txt" ".venv/.installed-$lock"
