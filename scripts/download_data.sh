#!/usr/bin/env bash
# Fetch a dataset into /dataset, or the folder that --root names:
#
#   bash scripts/download_data.sh coco|coco-panoptic|voc2007|voc2012|voc0712 [--root DIR]
#
# Goes on where an earlier call stopped, and checks the published checksums.
set -euo pipefail
# shellcheck source=scripts/family.sh
. "$(dirname "$0")/family.sh"
detbench data download "$@"
