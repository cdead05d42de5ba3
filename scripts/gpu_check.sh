#!/usr/bin/env bash
# Does this suite tell the truth on this GPU? Needs no Docker, changes no setting of the GPU.
#
#   bash scripts/gpu_check.sh [--wheels FOLDER] [OPTIONS OF detbench gpu-check]
#
# Makes .venv if there is none. On a host without a network, --wheels names a folder of wheels:
# .venv then has them, and sees the packages of python3, which bring torch and torchvision. Takes 12
# minutes at most unless --minutes says otherwise; see detbench gpu-check --help.
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

wheels=
if [ "${1:-}" = --wheels ]; then
  [ -d "${2:-}" ] || { echo "gpu_check.sh: --wheels '${2:-}' is not a folder" >&2; exit 2; }
  wheels=$(cd "$2" && pwd)
  shift 2
fi
here=$PWD
cd "$(dirname "$0")/.."
root=$PWD

if [ -z "$wheels" ]; then
  bash scripts/make_venv.sh train >&2
elif [ ! -x .venv/bin/python ]; then
  echo "environment: making .venv of python3's packages and $wheels" >&2
  python3 -m venv --without-pip .venv
  site=$(.venv/bin/python -c 'import site; print(site.getsitepackages()[0])')
  # Packages of python3 come last, so that a wheel replaces what is too old there.
  python3 -c 'import site; print("import site; site.addsitedir(%r)" % site.getsitepackages()[0])' \
    > "$site/python3.pth"
  python3 -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "$wheels"/*.whl
fi

cd "$here" # where the bundle is to lie
PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} exec "$root/.venv/bin/python" -m detbench gpu-check "$@"
