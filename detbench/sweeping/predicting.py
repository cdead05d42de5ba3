"""Adapts the predictions of `detbench.fitting` to the search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from detbench.errors import UsageError
from detbench.fitting.asked import Asked
from detbench.fitting.footprints import Setting, known
from detbench.fitting.measure import ROIS, setting_of
from detbench.fitting.need import Need, capacity
from detbench.gpus.profiles import GpuProfile
from detbench.records.spec import RunSpec
from detbench.suite import load_family
from detbench.sweeping.search import Prediction

# The largest images of the named datasets; those of a folder are unknown.
_SETTINGS = {
    "coco": Setting(),
    "embedded": Setting(width=800, num_classes=3),
    **dict.fromkeys(("voc2007", "voc2012", "voc0712"), Setting(num_classes=20)),
}


@dataclass(frozen=True)
class FitPredictor:
    """Predictions for runs on a GPU profile; `specs` has one of each model."""

    profile: GpuProfile
    specs: Mapping[str, RunSpec]

    @staticmethod
    def of(profile: GpuProfile, specs: Iterable[RunSpec]) -> FitPredictor:
        """A predictor for these runs."""
        return FitPredictor(profile, {spec.model: spec for spec in specs})

    @property
    def capacity_bytes(self) -> int:
        """The memory that a process can probably use on the profile."""
        return round(capacity(self.profile).middle)

    def predict(self, model: str, batch_size: int) -> Prediction | None:
        """The memory that each process of a run needs; None if too little was measured."""
        needed = need_of(self.specs[model], batch_size)
        if needed is None:
            return None
        return Prediction(round(needed.total.low), round(needed.total.high))


def asked_of(spec: RunSpec) -> Asked | None:
    """The model of a run in its setting; None if the images of its dataset are not known."""
    base = _SETTINGS.get(spec.dataset)
    if base is None:
        return None
    wanted = Setting(
        width=base.width,
        num_classes=base.num_classes,
        rois_per_image=spec.overrides.get(ROIS),
        precision=spec.precision,
    )
    setting = setting_of(load_family(spec.family), spec.model, wanted)
    return Asked(spec.model, known(spec.framework, spec.model), setting, spec.world_size)


def need_of(spec: RunSpec, batch_size: int | None = None) -> Need | None:
    """The memory that each process of a run needs, or would need at another batch size.

    None as in `asked_of`, and if too little was measured of the model.
    """
    asked = asked_of(spec)
    if asked is None:
        return None
    try:
        return asked.need((batch_size or spec.batch_size) // spec.world_size)
    except UsageError:
        return None
