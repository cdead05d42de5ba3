#!/usr/bin/env bash
# Install detectron2 into a Python environment that already has torch.
#
#   --source pypi   detectron2's Python tree, pinned by hash: seconds, no compiler. Trains R-CNN,
#                   RetinaNet and Panoptic FPN on a CPU and a GPU, as ROIAlign and NMS are
#                   torchvision's; deformable and rotated operators are missing.
#   --source git    the pinned upstream commit, compiled against the installed torch, with all
#                   operators; needs git, a C++ compiler and, for CUDA, nvcc.
#   --python FILE   the interpreter to install into (default: the python3 on the PATH)
set -euo pipefail

# Upstream commit; every figure measured with detbench names it through run.json.
commit=02b5c4e295e990042a714712c21dc79b731e8833
# detectron2 itself is not published as a package. This third-party wheel contains its Python
# tree unchanged, and a compiled extension for Python 3.10 that is left out below.
wheel_version=0.7.2
wheel_sha256=491af0c7f79bdb2d178e46f6cb16a97c4ac968d45c41ea3f6b6435d59bbee561
dependencies=(
  black cloudpickle fvcore hydra-core 'iopath<0.1.10' matplotlib 'omegaconf<2.4'
  opencv-python-headless packaging pycocotools 'setuptools<81' tabulate tensorboard termcolor
  wheel yacs
)

source=pypi
python=python3
while [ $# -gt 0 ]; do
  case "$1" in
    --source) source=${2:?"--source needs pypi or git"}; shift 2 ;;
    --python) python=${2:?"--python needs a file"}; shift 2 ;;
    -h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "install_detectron2.sh: unknown argument '$1'; see --help" >&2; exit 2 ;;
  esac
done

installed_version() { # of distribution $1; nothing if it is not installed
  "$python" -c 'import importlib.metadata as m, sys; print(m.version(sys.argv[1]))' "$1" \
    2> /dev/null || true
}

if ! "$python" -c 'import torch, torchvision' 2> /dev/null; then
  echo "install_detectron2.sh: $python has no torch and torchvision;" \
    "install them first: pip install torch torchvision" >&2
  exit 3
fi

case "$source" in
  pypi)
    if [ "$(installed_version sal-detectron2)" = "$wheel_version" ]; then
      echo "detectron2 is already installed: sal-detectron2 $wheel_version, pure Python"
      exit 0
    fi
    "$python" -m pip install --quiet "${dependencies[@]}"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    echo "sal-detectron2==$wheel_version --hash=sha256:$wheel_sha256" > "$work/pin.txt"
    "$python" -m pip download --quiet --no-deps --require-hashes --only-binary=:all: \
      --python-version 3.10 --dest "$work" --requirement "$work/pin.txt"
    "$python" -m wheel unpack --dest "$work/tree" "$work"/sal_detectron2-*.whl > /dev/null
    find "$work/tree" -name '_C*.so' -delete
    # Without its extension the tree fits any Python; its tag names 3.10 only.
    sed -i 's/^Tag: .*/Tag: py3-none-any/' "$work"/tree/*/sal_detectron2-*.dist-info/WHEEL
    mkdir "$work/pure"
    "$python" -m wheel pack --dest-dir "$work/pure" "$work"/tree/sal_detectron2-* > /dev/null
    "$python" -m pip install --quiet --no-deps --force-reinstall "$work"/pure/*.whl
    built="sal-detectron2 $wheel_version, pure Python"
    ;;
  git)
    "$python" -m pip install --quiet "${dependencies[@]}" ninja
    # Without build isolation, as the build has to see the torch with which it will run.
    "$python" -m pip install --no-build-isolation \
      "detectron2 @ git+https://github.com/facebookresearch/detectron2@$commit"
    built="upstream commit $commit, compiled"
    ;;
  *)
    echo "install_detectron2.sh: unknown source '$source'; known: pypi, git" >&2
    exit 2
    ;;
esac
"$python" -W ignore -c 'import detectron2.modeling'
echo "detectron2 is installed: $built"
