#!/usr/bin/env bash
# Run a window of training in the switched mode: bash run.sh [OPTIONS, see --help]
# shellcheck source=scripts/family.sh
. "$(dirname "$0")/../../scripts/family.sh"
detbench run "$family" "$@"
