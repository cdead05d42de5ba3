#!/usr/bin/env bash
# Profile a window of training in the switched mode: bash profile.sh [MODE] [OPTIONS, see --help]
# shellcheck source=scripts/family.sh
. "$(dirname "$0")/../../scripts/family.sh"
detbench profile "$family" "$@"
