"""Turns a user's request into a sweep: its cells, their sessions, and its predictor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detbench.errors import MissingError, UsageError
from detbench.gpus.profiles import profile_named
from detbench.launch.base import OnEvent
from detbench.records.modes import resolve_mode
from detbench.records.spec import RunSpec
from detbench.records.store import Run
from detbench.running.place import Place
from detbench.running.plan import Request
from detbench.running.session import Session, prepare
from detbench.sweeping.predicting import FitPredictor
from detbench.sweeping.running import Sweep, by_cell
from detbench.sweeping.search import Predictor


@dataclass(frozen=True)
class Planned:
    """A sweep and the sessions that do its runs.

    Attributes:
        sessions: one per mode.
        profile: the GPU profile that all runs are on.
    """

    sweep: Sweep
    sessions: dict[str, Session]
    profile: str

    def do(self, spec: RunSpec, retries: Path | None) -> Run:
        """Do a run in its mode's session; `retries` is the folder of a failed run to try again."""
        return self.sessions[spec.mode].do(spec, retries)

    @property
    def compute_slices(self) -> int | None:
        """Compute slices of the GPU profile; None on a CPU or an unknown profile."""
        gpu = next(iter(self.sessions.values())).gpu
        return gpu.compute_slices if gpu else None


def planned(
    family: str,
    modes: Sequence[str],
    request: Request,
    place: Place,
    gpu_profile: str,
    on_event: OnEvent,
    *,
    again: bool,
    confirm: bool,
    dry_run: bool,
) -> Planned:
    """The sweep of a family's models and batch sizes in these modes; nothing is run.

    Raises:
        UsageError: something named does not exist, or contradicts something else.
        MissingError: runs here would be on another GPU profile than the one named, or the machine
            lacks the engine or an image that was requested.
    """
    sessions: dict[str, Session] = {}
    specs: list[RunSpec] = []
    for name in dict.fromkeys(name.strip() for name in modes):
        mode = resolve_mode(name)
        sessions[mode.name], found = prepare(
            family, mode, request, place, "window", on_event, dry_run=dry_run
        )
        specs += found
    if not specs:
        raise UsageError("a sweep has at least one mode and one batch size")
    profile, session = specs[0].gpu_profile, next(iter(sessions.values()))
    if gpu_profile not in ("auto", profile):
        _check_profile(gpu_profile, session, family, profile)
    sweep = Sweep(
        root=session.root,
        specs=by_cell(specs),
        devices=session.launcher.gpus or ("cpu",),
        limits=session.launcher.at_most(),
        predictor=_predictor(session, specs),
        again=again,
        confirm=confirm,
        say=session.note,
    )
    return Planned(sweep, sessions, profile)


def _check_profile(wanted: str, session: Session, family: str, here: str) -> None:
    """Refuse a GPU profile, in any spelling, that is not the one runs here would use."""
    named = profile_named(wanted)
    if session.gpu is None or session.gpu.catalogued != named:
        raise MissingError(
            f"--gpu-profile {wanted}: runs here would be on {here}",
            "choose another GPU with --gpus, or pass auto; detbench fit"
            f" {family} --gpu-profile {named.name} tells what would fit there",
        )


def _predictor(session: Session, specs: Sequence[RunSpec]) -> Predictor | None:
    """The predictor of the runs' memory; None on a CPU or an unknown GPU profile."""
    if session.gpu is None or session.gpu.catalogued is None:
        return None
    return FitPredictor.of(session.gpu.catalogued, specs)
