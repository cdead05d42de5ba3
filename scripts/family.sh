# shellcheck shell=bash disable=SC2034 # family is for the scripts that source this
# Sourced by the scripts of every family, and by those of scripts/ that call a verb: `detbench`
# runs one, for the family whose folder the script stands in.
# The interpreter is the checkout's .venv, which is made where it is needed and missing.
root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
family=$(basename "$(cd -P "$(dirname "$0")" && pwd)")
python=$root/.venv/bin/python
if [ ! -x "$python" ]; then
  python=python3
  # In an image all is there; a fresh checkout gets what its host's side needs, once.
  if ! python3 -c 'import click, docker, pandas, pydantic' 2> /dev/null; then
    bash "$root/scripts/make_venv.sh" >&2
    python=$root/.venv/bin/python
  fi
fi

detbench() {
  PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m detbench "$@"
}
