#!/usr/bin/env bash
# Build this family's Docker image. Once, and again when detbench has changed.
# shellcheck source=scripts/family.sh
. "$(dirname "$0")/../../scripts/family.sh"
detbench build "$family" "$@"
