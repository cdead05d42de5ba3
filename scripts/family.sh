# shellcheck shell=bash disable=SC2034 # family is for the scripts that source this
# Sourced by the scripts of every family, and by those of scripts/ that call a verb: `detbench`
# runs one, for the family in whose folder the script is.
# The interpreter is that of the checkout's .venv, which is created if it is needed and missing.
root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
family=$(basename "$(cd -P "$(dirname "$0")" && pwd)")
python=$root/.venv/bin/python
if [ ! -x "$python" ]; then
  python=python3
  # An image has everything; a fresh checkout installs once what the host's side needs.
  if ! python3 -c 'import click, docker, pandas, pydantic' 2> /dev/null; then
    bash "$root/scripts/make_venv.sh" >&2
    python=$root/.venv/bin/python
  fi
fi

detbench() {
  PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m detbench "$@"
}
