#!/usr/bin/env bash
# An engine and a base image for the docker tests: bash scripts/docker_engine.sh (as root, Debian)
#
# If no engine answers, it installs Debian's docker.io and starts dockerd. As images may not be
# available for pulling, debootstrap makes the base image detbench/debian from Debian's packages,
# once. Anything that exists already is left alone.
set -euo pipefail

[ $# -eq 0 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2; }
image=detbench/debian
export DEBIAN_FRONTEND=noninteractive
if docker image inspect "$image" > /dev/null 2>&1; then
  echo "engine: it is running, and $image exists"
  exit 0
fi
[ "$(id -u)" = 0 ] || { echo "docker_engine.sh: run it as root: sudo bash $0" >&2; exit 3; }

missing=()
command -v dockerd > /dev/null || missing+=(docker.io)
command -v debootstrap > /dev/null || missing+=(debootstrap)
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get > /dev/null || { echo "docker_engine.sh: install ${missing[*]}" >&2; exit 3; }
  echo "engine: installing ${missing[*]}"
  apt-get update -qq && apt-get install -y -qq "${missing[@]}" > /dev/null
fi

if ! docker info > /dev/null 2>&1; then
  log=$(mktemp)
  echo "engine: starting dockerd, which writes to $log"
  setsid nohup dockerd > "$log" 2>&1 < /dev/null &
  for _ in $(seq 60); do
    docker info > /dev/null 2>&1 && break
    sleep 0.5
  done
  docker info > /dev/null 2>&1 || { tail -5 "$log" >&2; echo "docker_engine.sh: dockerd did not start" >&2; exit 3; }
fi

if ! docker image inspect "$image" > /dev/null 2>&1; then
  echo "engine: making $image by debootstrap"
  folder=$(mktemp -d)
  trap 'rm -rf "$folder" "$folder.log"' EXIT
  chmod 755 "$folder" # it becomes the image's root folder
  debootstrap --variant=minbase bookworm "$folder" > "$folder.log" || { tail -5 "$folder.log" >&2; exit 4; }
  tar -C "$folder" -c . | docker import - "$image" > /dev/null
fi
echo "engine: it is running, and $image exists"
