#!/usr/bin/env bash
# The main job, end to end, on any machine: it needs no GPU, no Docker and no dataset.
#
#   bash scripts/quickstart.sh
#
# It creates .venv, trains a small Mask R-CNN (detectron2) on the embedded dataset to its AP,
# profiles a window of it, tracks its memory, and makes tables and a page of the results. Steps that
# an earlier call finished are not repeated. It takes 192 s on two cores after installation.
set -euo pipefail
cd "$(dirname "$0")/.."
begin=$SECONDS

step() { printf '\n== %s (after %d s)\n' "$1" "$((SECONDS - begin))"; }
run_of() { # the folder of the run in a verb's JSON
  .venv/bin/python -c 'import json, sys; print(json.load(sys.stdin)[0]["run"])'
}

step "1/6 environment"
bash scripts/make_venv.sh train

family=benchmarks/maskrcnn
on_cpu=(--device cpu --resume)

step "2/6 training Mask R-CNN to its AP (noprofile)"
bash $family/switch.sh noprofile
bash $family/train.sh "${on_cpu[@]}"
trained=$(bash $family/train.sh "${on_cpu[@]}" --format json | run_of)

step "3/6 profiling a window of it (torch)"
bash $family/switch.sh torch
bash $family/profile.sh torch "${on_cpu[@]}"
traced=$(bash $family/profile.sh torch "${on_cpu[@]}" --format json | run_of)

step "4/6 following its memory (memory)"
bash $family/switch.sh memory
bash $family/run.sh "${on_cpu[@]}"
tracked=$(bash $family/run.sh "${on_cpu[@]}" --format json | run_of)
bash $family/switch.sh noprofile

step "5/6 tables"
python=.venv/bin/python
$python parsers/throughput.py "$trained/log.txt" --batch-size 4
echo
$python parsers/compute_util.py "$traced"/torch_bs4.pt.trace.json.gz --device cpu
echo
$python parsers/memory_util.py "$tracked"/memory_csv_data/memory_bs4.csv
echo
echo "Core utilization (parsers/core_util.py) needs a GPU: bash switch.sh nsight && bash profile.sh"

step "6/6 a page of it all"
page=results/report_$(date -u +%Y%m%dT%H%M%SZ).html
$python -m detbench report "$trained" "$traced" "$tracked" -o "$page"

cat << END

Done after $((SECONDS - begin)) s. What was measured lies in

  $trained
  $traced
  $tracked

and the page that shows it, for a browser, in

  $page

Next: cd $family, bash switch.sh MODE, bash run.sh --help; README.md shows the way on a GPU host.
END
