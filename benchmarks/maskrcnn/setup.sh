#!/usr/bin/env bash
# Check what is ready here for this family, and say how to get the rest; downloads nothing.
# shellcheck source=scripts/family.sh
. "$(dirname "$0")/../../scripts/family.sh"
detbench setup "$family" "$@"
