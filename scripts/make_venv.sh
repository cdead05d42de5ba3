#!/usr/bin/env bash
# Make or refresh the checkout's .venv: bash scripts/make_venv.sh [EXTRA...]
# Installs detbench from this checkout with the named extras (train, test); train includes effdet,
# detectron2 and the packages for report pages. Anything that is up to date is left alone. pip's own
# environment variables (PIP_INDEX_URL, PIP_CERT, ...) work as usual.
set -euo pipefail
cd "$(dirname "$0")/.."

extras=$(IFS=,; echo "$*")
extras=${extras/train/train,effdet,report}
wanted=$(cat pyproject.toml scripts/constraints.txt scripts/install_detectron2.sh | sha256sum)
stands=yes
for extra in core "$@"; do
  [ "$(cat ".venv/.installed-$extra" 2> /dev/null)" = "$wanted" ] || stands=no
done
if [ $stands = yes ]; then
  echo "environment: .venv is ready (core${extras:+,$extras})"
  exit 0
fi

begin=$SECONDS
if [ ! -x .venv/bin/python ]; then
  if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    echo "make_venv.sh: python3 is $(python3 --version 2>&1); Python 3.10 or newer is needed" >&2
    exit 3
  fi
  echo "environment: making .venv"
  if ! python3 -m venv .venv; then
    echo "make_venv.sh: python3 has no venv module; on Debian: apt-get install python3-venv" >&2
    exit 3
  fi
fi
echo "environment: installing detbench${extras:+[$extras]} (several GB with train, the first time)"
.venv/bin/python -m pip install --constraint scripts/constraints.txt \
  --editable ".${extras:+[$extras]}" 2>&1 | grep --line-buffered -E '^(Collecting|Downloading|Using cached|Building|Installing|Successfully|ERROR)|rror:'
case ",$extras," in
  *,train,*) bash scripts/install_detectron2.sh --source pypi --python .venv/bin/python ;;
esac
for extra in core "$@"; do
  echo "$wanted" > ".venv/.installed-$extra"
done
echo "environment: ready after $((SECONDS - begin)) s"
