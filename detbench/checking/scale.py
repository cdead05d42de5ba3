"""How large the check is: on a GPU with the models it is about, on a CPU as a rehearsal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from detbench.records.spec import Device, Precision, Window


class Sized(NamedTuple):
    """A model of a family and the batch sizes it is run at."""

    family: str
    model: str
    batch_sizes: tuple[int, ...]


@dataclass(frozen=True)
class Scale:
    """The settings of all steps on one kind of device.

    Attributes:
        model: of the steps that measure speed, time, memory and counters.
        learner: the model that trains, and its batch size.
        learner_iterations: where that training ends; None for the end of its schedule.
        batch_sizes: the smaller and the larger one of the speed step.
        window: the measured iterations of the speed step.
        predicted: the models whose memory is predicted and measured.
        too_large: a batch size beyond the memory limit; None for one beyond what `fit` predicts.
        memory_limit: of the step that runs out of memory, in bytes; None for the device's own.
        of_bare: the least and the most of the speed of bare upstream that the suite may have; a
            pair of runs with more was disturbed.
    """

    model: str
    learner: str
    learner_batch_size: int
    learner_iterations: int | None
    batch_sizes: tuple[int, int]
    precisions: tuple[Precision, ...]
    window: Window
    profiled: Window
    predicted: tuple[Sized, ...]
    too_large: int | None
    memory_limit: int | None
    of_bare: tuple[float, float]


_TINY = "mask_rcnn_R_18_FPN_tiny"

SCALES: dict[Device, Scale] = {
    "cuda": Scale(
        model="mask_rcnn_R_50_FPN_1x",
        learner=_TINY,
        learner_batch_size=4,
        learner_iterations=None,
        batch_sizes=(2, 8),
        precisions=("fp32", "tf32", "amp"),
        window=Window(start=15, count=30),
        profiled=Window(start=10, count=3),
        predicted=(
            Sized("maskrcnn", "mask_rcnn_R_50_FPN_1x", (2, 8)),
            Sized("maskrcnn", "mask_rcnn_R_101_FPN_3x", (2, 8)),
            Sized("faster_rcnn", "faster_rcnn_R_50_FPN_1x", (2, 8)),
            Sized("faster_rcnn", "faster_rcnn_X_101_32x8d_FPN_3x", (2, 4)),
            Sized("faster_rcnn", "faster_rcnn_R_50_C4_1x", (2, 4)),
            Sized("faster_rcnn", "retinanet_R_50_FPN_1x", (2, 8)),
            Sized("faster_rcnn", "retinanet_R_101_FPN_3x", (2, 8)),
        ),
        too_large=None,
        memory_limit=None,
        of_bare=(0.95, 1.1),
    ),
    "cpu": Scale(
        model=_TINY,
        learner=_TINY,
        learner_batch_size=2,
        learner_iterations=24,
        batch_sizes=(1, 2),
        precisions=("fp32",),
        window=Window(start=3, count=10),
        profiled=Window(start=2, count=1),
        predicted=(Sized("faster_rcnn", "faster_rcnn_R_18_FPN_tiny", (2, 4)),),
        too_large=256,
        memory_limit=900 << 20,
        of_bare=(0.4, 2.5),  # the cores are shared with whatever else runs: a rehearsal only
    ),
}
