#!/usr/bin/env bash
# Install profilers through apt: bash scripts/install_profilers.sh [nsys] [ncu] [nvprof]
#
# It takes NVIDIA's packages for the installed CUDA version if apt knows them (NVIDIA's CUDA images
# have the repository), or else those of Debian or Ubuntu. CUDA had nvprof up to version 12; if no
# package has it, the script says so and installs the rest.
set -euo pipefail

[ $# -gt 0 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2; }
[ "$(id -u)" = 0 ] || { echo "install_profilers.sh: run it as root: sudo bash $0 $*" >&2; exit 3; }
export DEBIAN_FRONTEND=noninteractive

# Debian's profilers are in its non-free section.
sources=(/etc/apt/sources.list /etc/apt/sources.list.d/*)
if grep -qs '^ID=debian' /etc/os-release && ! grep -qsw non-free "${sources[@]}"; then
  for file in "${sources[@]}"; do
    [ -f "$file" ] && sed -i -E '/^deb |^Components:/s/\bmain\b/main contrib non-free/' "$file"
  done
fi
apt-get update -qq

cuda=$(printf '%s' "${CUDA_VERSION:-}" | cut -d. -f1,2 | tr . -)
candidates() { # the packages that may hold program $1, the preferred one first
  case "$1" in
    nsys) echo "nsight-systems-cli ${cuda:+cuda-nsight-systems-$cuda} nsight-systems" ;;
    ncu) echo "${cuda:+cuda-nsight-compute-$cuda} nsight-compute" ;;
    nvprof) echo "${cuda:+cuda-nvprof-$cuda} nvidia-profiler" ;;
    *) echo "install_profilers.sh: no profiler '$1'; known: nsys, ncu, nvprof" >&2; return 2 ;;
  esac
}

for program in "$@"; do
  known=$(candidates "$program")
  if command -v "$program" > /dev/null; then
    echo "$program is already installed: $(command -v "$program")"
    continue
  fi
  package=
  for name in $known; do
    # grep reads to the end: with -q it would close the pipe, and a slower apt-cache would fail.
    if apt-cache show "$name" 2> /dev/null | grep '^Package:' > /dev/null; then
      package=$name
      break
    fi
  done
  if [ -z "$package" ]; then
    echo "$program: no package here has it (${known// /, }); left out"
    continue
  fi
  echo "$program: installing $package"
  apt-get install -y -qq --no-install-recommends "$package" > /dev/null
done

# Debian's nsys looks for its importer beside itself, but Debian installs that elsewhere: without this
# link reports are not converted.
for host in /usr/lib/nsight-systems/host-linux-*; do
  for target in /usr/lib/*-linux-gnu/nsight-systems; do
    if [ -d "$host" ] && [ -d "$target" ] && [ ! -e "$target/${host##*/}" ]; then
      ln -s "$host" "$target/${host##*/}"
    fi
  done
done
rm -rf /var/lib/apt/lists/*
