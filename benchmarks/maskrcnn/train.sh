#!/usr/bin/env bash
# Train to the end of the schedule and evaluate: bash train.sh [OPTIONS, see --help]
# shellcheck source=scripts/family.sh
. "$(dirname "$0")/../../scripts/family.sh"
detbench train "$family" "$@"
