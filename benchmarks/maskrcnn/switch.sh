#!/usr/bin/env bash
# Choose the mode of the next runs: bash switch.sh noprofile|nvprof|nsight|memory|torch|dlprof
# shellcheck source=scripts/family.sh
. "$(dirname "$0")/../../scripts/family.sh"
detbench switch "$family" "$@"
