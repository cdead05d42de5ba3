"""Measures footprints: two iterations of the actual model on this CPU, per batch size."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from detbench.datasets.probe import probe_dataset
from detbench.errors import RunFailedError
from detbench.fitting import footprints
from detbench.fitting.footprints import Footprint, Setting, architecture
from detbench.launch.base import ignore
from detbench.launch.local import LocalLauncher
from detbench.readers.memory_csv import read_memory_csv
from detbench.records.modes import resolve_mode
from detbench.records.spec import RunSpec, Window
from detbench.running.attach import attach
from detbench.running.execute import execute
from detbench.suite import Family

ROIS = "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE"
"""detectron2's key for the number of regions per image that the heads train on."""
_WITH_REGIONS = ("faster_rcnn", "mask_rcnn", "panoptic_fpn")  # configs of detectron2
_NUM_STUFF = 53  # of COCO's panoptic annotations
_SECOND = Window(start=1, count=1)  # the first iteration creates the optimizer's state
_VERSIONS = ("detbench", "torch", "torchvision", "detectron2", "detectron2_build", "effdet")


def framework_of(family: Family, model: str) -> str:
    """The framework that a model is measured in: the family's first one that has the model."""
    return next(f for f in family.frameworks if f in family.model(model).frameworks())


def setting_of(family: Family, model: str, setting: Setting) -> Setting:
    """The part of the setting that applies to the model: no regions without region heads."""
    section = family.model(model)
    config = section.detectron2.config.rpartition("/")[2] if section.detectron2 else ""
    update: dict[str, int | None] = {}
    if not config.startswith(_WITH_REGIONS):
        update["rois_per_image"] = None
    if section.effdet:  # effdet resizes every image to the model's own size
        update |= {"width": Setting().width, "height": Setting().height}
    return setting.model_copy(update=update)


def measure_new(
    family: Family, model: str, setting: Setting, batch_sizes: tuple[int, ...]
) -> Iterator[Footprint]:
    """Measure, store and yield the footprints that are not known yet; see `measure`."""
    known = footprints.known(framework_of(family, model), model)
    there = {f.batch_size for f in known if f.setting == setting}
    for footprint in measure(
        family, model, setting, tuple(b for b in batch_sizes if b not in there)
    ):
        footprints.keep([footprint])
        yield footprint


def measure(
    family: Family, model: str, setting: Setting, batch_sizes: tuple[int, ...]
) -> Iterator[Footprint]:
    """Train two iterations at each batch size and yield their footprint.

    Feature maps are not computed (`RunSpec.probe`); that does not change the footprint.

    Raises:
        RunFailedError: a training failed; the message has its cause.
    """
    section = family.model(model)
    framework = framework_of(family, model)
    data = probe_dataset(
        setting.width,
        setting.height,
        setting.num_objects,
        setting.num_classes,
        _NUM_STUFF if section.panoptic else 0,
    )
    mode = resolve_mode("memory")
    for batch_size in batch_sizes:
        spec = RunSpec(
            family=family.family,
            framework=framework,
            model=model,
            mode=mode.name,
            batch_size=batch_size,
            window=_SECOND,
            num_iterations=_SECOND.stop,
            device="cpu",
            gpu_profile="cpu",
            precision=setting.precision,
            dataset=str(data),
            weights="none",
            overrides={ROIS: setting.rois_per_image} if setting.rois_per_image else {},
            probe=True,
        )
        attachment = attach(mode, None, batch_size, spec.window)
        with tempfile.TemporaryDirectory(prefix="detbench-fit-") as root:
            folder, record = execute(
                spec, attachment, LocalLauncher(), root=Path(root), on_event=ignore
            )
            if record.status != "ok":
                raise RunFailedError(
                    f"{model} batch size {batch_size} could not be measured:"
                    f" {record.status}: {record.cause}",
                    "free some memory, or measure a smaller batch size",
                )
            parts = read_memory_csv(folder / attachment.file)
        versions = {k: str(record.environment[k]) for k in _VERSIONS if k in record.environment}
        tensors = parts[(parts["category"] != "unattributed") & (parts["phase"] != "data")]
        sums = tensors.groupby(["phase", "category"])["bytes"].sum().unstack(fill_value=0)
        yield Footprint(
            framework=framework,
            architecture=architecture(model),
            setting=setting,
            batch_size=batch_size,
            parts={
                str(phase): {str(name): int(size) for name, size in own.items()}
                for phase, own in sums.to_dict("index").items()
            },
            versions=versions,
        )
