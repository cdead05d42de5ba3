#!/usr/bin/env bash
# Download a dataset into /dataset, or into the folder of --root:
#
#   bash scripts/download_data.sh coco|coco-panoptic|voc2007|voc2012|voc0712 [--root DIR]
#
# It continues where an earlier call stopped, and verifies the published checksums.
set -euo pipefail
# shellcheck source=scripts/family.sh
. "$(dirname "$0")/family.sh"
detbench data download "$@"
