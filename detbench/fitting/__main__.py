"""Measure the footprints that the package ships: `python -m detbench.fitting FAMILY [MODEL...]`.

An interrupted measurement is resumed. A training takes about 15 s on one core.
"""

from __future__ import annotations

import sys

from detbench.errors import DetbenchError
from detbench.fitting.footprints import Setting, architecture
from detbench.fitting.measure import framework_of, measure_new, setting_of
from detbench.suite import Family, load_family

_FEW_ROIS = 32
# Together, these settings vary every term of the law: batch, area, classes and regions.
_DESIGN = (
    (Setting(), (2, 4)),
    (Setting(width=800, rois_per_image=_FEW_ROIS, num_classes=1), (2, 4)),
    (Setting(width=800), (2,)),
    (Setting(num_classes=1), (2,)),
    (Setting(rois_per_image=_FEW_ROIS), (2,)),
    (Setting(precision="amp"), (2, 4)),
    (Setting(width=800, rois_per_image=_FEW_ROIS, num_classes=1, precision="amp"), (2, 4)),
)


def main(family: Family, models: list[str]) -> None:
    """Measure the missing footprints, for one model per architecture."""
    for model in {architecture(m): m for m in models}.values():
        for setting, batch_sizes in _DESIGN:
            if setting.precision == "amp" and framework_of(family, model) != "detectron2":
                continue  # autocast casts other operators on a CPU than on CUDA
            wanted = setting_of(family, model, setting)
            for footprint in measure_new(family, model, wanted, batch_sizes):
                print(model, wanted, footprint.batch_size, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        chosen = load_family(sys.argv[1])
        main(chosen, sys.argv[2:] or list(chosen.models))
    except DetbenchError as error:
        sys.exit(str(error))
