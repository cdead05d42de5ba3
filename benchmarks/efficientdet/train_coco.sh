#!/usr/bin/env bash
# Train on COCO 2017: train.sh with its dataset named. bash train_coco.sh [OPTIONS, see --help]
exec bash "$(dirname "$0")/train.sh" --dataset coco "$@"
