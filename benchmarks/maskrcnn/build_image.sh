#!/usr/bin/env bash
# Build this family's Docker image: once, and again after detbench has changed.
# shellcheck source=scripts/family.sh
. "$(dirname "$0")/../../scripts/family.sh"
detbench build "$family" "$@"
