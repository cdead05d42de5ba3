#!/usr/bin/env bash
# Renew the pins of the images: bash scripts/lock_images.sh
# docker/base.lock: torch and detbench's packages. docker/<framework>.lock: a framework's packages.
# It installs each in its own Python environment, with the newest versions that
# pyproject.toml and scripts/constraints.txt allow, and writes down the installed versions.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$work/venv/bin/python

freeze() { # the installed packages, without detbench and detectron2, which its installer pins
  "$python" -m pip freeze --exclude detbench --exclude sal-detectron2 --exclude wheel
}
write() { # a lock's name, and its lines on stdin
  { echo "# Made by scripts/lock_images.sh with $("$python" -V)."; cat; } > "docker/$1.lock"
  echo "docker/$1.lock: $(grep -c == "docker/$1.lock") packages"
}

python3 -m venv "$work/venv"
"$python" -m pip install --quiet --constraint scripts/constraints.txt '.[train]'
freeze > "$work/base"
write base < "$work/base"

bash scripts/install_detectron2.sh --source pypi --python "$python"
freeze | grep -vxFf "$work/base" | write detectron2

python3 -m venv --clear "$work/venv"
"$python" -m pip install --quiet --requirement docker/base.lock
"$python" -m pip install --quiet --constraint docker/base.lock effdet
freeze | grep -vxFf "$work/base" | write effdet
