"""Adapts the predictions of `detbench.fitting` to the search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from detbench.errors import UsageError
from detbench.fitting.footprints import Setting, known
from detbench.fitting.measure import ROIS, setting_of
from detbench.fitting.need import capacity, need
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
        spec = self.specs[model]
        base = _SETTINGS.get(spec.dataset)
        if base is None:
            return None
        changes = {"precision": spec.precision, "rois_per_image": spec.overrides.get(ROIS)}
        setting = setting_of(load_family(spec.family), model, base.model_copy(update=changes))
        share = batch_size // spec.world_size
        try:
            total = need(model, known(spec.framework, model), setting, share, spec.world_size).total
        except UsageError:
            return None
        return Prediction(round(total.low), round(total.high))
