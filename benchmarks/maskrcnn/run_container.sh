#!/usr/bin/env bash
# Open a shell in this family's container, at /scripts, with /dataset and /scratch mounted.
# shellcheck source=scripts/family.sh
. "$(dirname "$0")/../../scripts/family.sh"
detbench shell "$family" "$@"
