# shellcheck shell=bash disable=SC2034 # family is for the scripts that source this
# Sourced by the scripts of every family: runs a detbench verb for the family that they stand in.
# The interpreter is the checkout's .venv where there is one (scripts/quickstart.sh makes it).
here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
family=$(basename "$here")
python=$root/.venv/bin/python
[ -x "$python" ] || python=python3

detbench() {
  PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m detbench "$@"
}
