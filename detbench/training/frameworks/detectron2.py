"""detectron2: its DefaultTrainer and its model zoo's configs, extended by hooks only."""

from __future__ import annotations

import importlib.metadata
import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import detectron2
import torch
from detectron2 import model_zoo
from detectron2.config import CfgNode, get_cfg
from detectron2.data import DatasetCatalog
from detectron2.data.datasets import register_coco_instances
from detectron2.engine import DefaultTrainer, HookBase, default_setup, defaults
from detectron2.engine.hooks import EvalHook, PeriodicCheckpointer, PeriodicWriter
from detectron2.evaluation import (
    COCOEvaluator,
    DatasetEvaluator,
    DatasetEvaluators,
    SemSegEvaluator,
)
from detectron2.utils import comm

from detbench.datasets.panoptic import open_panoptic
from detbench.errors import MissingError, UsageError
from detbench.records.events import emit
from detbench.records.spec import HALF
from detbench.training import accuracy, checkpoints
from detbench.training.distributed import from_main
from detbench.training.evaluations import Evaluations
from detbench.training.frameworks.detectron2_data import batches
from detbench.training.frameworks.detectron2_panoptic import (
    PanopticEvaluator,
    labels_of,
    register_panoptic,
)
from detbench.training.numbers import lay_out
from detbench.training.protocol import Hook, Job, Step, Trainer
from detbench.training.random_weights import OTHER_WEIGHTS, ZooUnreachableError, settle

# AR is for proposals; PQ, SQ, RQ and the mean IoU of stuff are for panoptic segmentation.
_PROBE_IOU = 0.3
_METRICS = ("AP", "AP50", "AP75", "AR@100", "AR@1000", "PQ", "SQ", "RQ", "PQ_th", "PQ_st", "mIoU")


def versions() -> dict[str, str]:
    """detectron2's version and installed build."""
    return {"detectron2": detectron2.__version__, "detectron2_build": _build()}


def _build() -> str:
    """`git <commit>` or `<distribution> <version>`; pip keeps the former in direct_url.json."""
    for name in ("detectron2", "sal-detectron2"):
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        url = json.loads(distribution.read_text("direct_url.json") or "{}")
        commit = url.get("vcs_info", {}).get("commit_id")
        return f"git {commit}" if commit else f"{name} {distribution.version}"
    return "not installed by pip"


def build(job: Job, hooks: Sequence[Hook]) -> Trainer:
    """A DefaultTrainer for `job`.

    Raises:
        UsageError: mixed precision on a CPU, which detectron2 does not have.
        MissingError: the weights to start from cannot be fetched or read.
    """
    half = job.spec.precision in HALF
    if half and job.spec.device != "cuda" and not job.spec.probe:
        raise UsageError(
            f"detectron2 trains with {job.spec.precision} on cuda only", "use --precision fp32"
        )
    cfg = config_of(job)
    if job.world.size > 1:
        if comm._LOCAL_PROCESS_GROUP is None:  # a second model is built where the zoo is far
            comm.create_local_process_group(job.world.local_size)
        if job.spec.device == "cpu":  # upstream passes a device id, which a CPU model must not have
            defaults.create_ddp_model = partial(defaults.create_ddp_model, device_ids=None)
    default_setup(cfg, None)
    trainer = _Trainer(cfg, job, hooks)
    if half and job.spec.device == "cpu":
        _cast_as_on_cuda(trainer.model)
    if cfg.MODEL.WEIGHTS.endswith(".pth") and job.spec.weights != "zoo":
        # Upstream would load the weights that fit and leave the rest at random values.
        checkpoints.load_weights(trainer.model, Path(cfg.MODEL.WEIGHTS), job.device)
    try:
        trainer.resume_or_load(resume=checkpoints.iterations_done(job.output) > 0)
    except OSError as error:
        kind = ZooUnreachableError if job.spec.weights == "zoo" else MissingError
        raise kind(
            f"weights {cfg.MODEL.WEIGHTS} cannot be read: {error}",
            OTHER_WEIGHTS,
        ) from error
    if job.spec.weights == "random":
        settle(trainer.model)
    lay_out(trainer.model, job.spec)
    return trainer


def config_of(job: Job) -> CfgNode:
    """Upstream's config of the job's model, with the job's settings.

    Raises:
        UsageError: upstream does not accept an override.
    """
    assert job.model.detectron2 is not None  # checked when the spec was made
    spec, schedule = job.spec, job.schedule
    cfg = get_cfg()
    cfg.merge_from_file(model_zoo.get_config_file(job.model.detectron2.config))
    _override(cfg, {**job.model.detectron2.overrides, **spec.overrides})
    if spec.probe:
        cfg.INPUT.MIN_SIZE_TRAIN = (max(cfg.INPUT.MIN_SIZE_TRAIN),)
        # An untrained model's proposals seldom match; a trained model's fill their share.
        cfg.MODEL.ROI_HEADS.IOU_THRESHOLDS = [_PROBE_IOU]
    cfg.MODEL.DEVICE = str(job.device)
    if job.model.panoptic:  # all things are one more class
        cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES = 1 + len(open_panoptic(job.dataset)[0].stuff)
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = cfg.MODEL.RETINANET.NUM_CLASSES = len(job.dataset.classes)
    if spec.weights in ("none", "random"):
        cfg.MODEL.WEIGHTS = ""
    elif spec.weights != "zoo":
        cfg.MODEL.WEIGHTS = spec.weights
    elif not spec.train:  # the config names the backbone that training starts from
        cfg.MODEL.WEIGHTS = model_zoo.get_checkpoint_url(job.model.detectron2.config)
    cfg.DATASETS.TRAIN = (_register(job, "train"),)
    cfg.DATASETS.TEST = (_register(job, "val"),)
    cfg.DATALOADER.NUM_WORKERS = spec.num_workers
    cfg.SOLVER.IMS_PER_BATCH = spec.batch_size
    cfg.SOLVER.BASE_LR = schedule.learning_rate
    cfg.SOLVER.MAX_ITER = spec.num_iterations
    cfg.SOLVER.STEPS = tuple(s for s in schedule.steps if s < spec.num_iterations)
    cfg.SOLVER.WARMUP_ITERS = schedule.warmup_iterations
    cfg.SOLVER.WARMUP_FACTOR = 1.0 / max(1, schedule.warmup_iterations)
    never = spec.num_iterations + 1
    cfg.SOLVER.CHECKPOINT_PERIOD = spec.checkpoint_every or never
    cfg.TEST.EVAL_PERIOD = spec.evaluate_every or never
    cfg.SOLVER.AMP.ENABLED = spec.precision in HALF and spec.device == "cuda"
    cfg.SEED = spec.seed
    cfg.OUTPUT_DIR = str(job.output)
    cfg.freeze()
    return cfg


def _cast_as_on_cuda(model: torch.nn.Module) -> None:
    """Make a probe's model hold the half-precision tensors that it would hold on a GPU.

    Upstream's own mixed precision refuses a CPU. Of a detector's operators that hold much memory,
    the CPU's autocast differs from CUDA's only in resizing, which it does in float32.
    """
    forward, resize = model.forward, torch.nn.functional.interpolate

    def resize_as_it_is(*args: Any, **kwargs: Any) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            return resize(*args, **kwargs)

    def cast(batch: Any) -> Any:
        with (
            torch.autocast("cpu", dtype=torch.float16),
            mock.patch.object(torch.nn.functional, "interpolate", resize_as_it_is),
        ):
            return forward(batch)

    model.forward = cast


def _override(cfg: CfgNode, overrides: Mapping[str, Any]) -> None:
    for key, value in overrides.items():
        try:
            cfg.merge_from_list([key, value])
        except (AssertionError, KeyError, ValueError) as error:
            raise UsageError(
                f"detectron2's config does not accept {key}={value}: {error}",
                "its keys are those of detectron2/config/defaults.py",
            ) from error


def _register(job: Job, split: str) -> str:
    name = f"detbench_{job.dataset.name}_{split}"
    if name not in DatasetCatalog.list():
        part = job.dataset.train if split == "train" else job.dataset.val
        if job.model.panoptic:
            register_panoptic(name, part, open_panoptic(job.dataset)[split == "val"])
        else:
            register_coco_instances(name, {}, str(part.annotations), str(part.images))
    return name


class _Trainer(DefaultTrainer):  # type: ignore[misc]
    def __init__(self, cfg: CfgNode, job: Job, hooks: Sequence[Hook]) -> None:
        self._job = job
        self._detbench_hooks = hooks
        super().__init__(cfg)
        if job.spec.precision == "bf16" and job.spec.device == "cuda":
            self._trainer.precision = torch.bfloat16
            self._trainer.grad_scaler = torch.amp.GradScaler("cuda", enabled=False)

    @property
    def model(self) -> torch.nn.Module:
        return getattr(self._trainer.model, "module", self._trainer.model)

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        return self._trainer.optimizer

    def build_train_loader(self, cfg: CfgNode) -> Any:
        return batches(cfg, self._job) if self._job.spec.train else []

    def build_hooks(self) -> list[HookBase]:
        spec = self._job.spec
        ours = (PeriodicCheckpointer, EvalHook, PeriodicWriter)
        upstream = super().build_hooks()
        writers = [h for h in upstream if isinstance(h, PeriodicWriter)]
        # Ours first, so that an iteration ends before checkpoints and writers begin.
        found = [_Forward(self._detbench_hooks), *(h for h in upstream if not isinstance(h, ours))]
        if spec.evaluate:
            # Upstream's hook also calls this at the end of the training.
            found.append(EvalHook(self.cfg.TEST.EVAL_PERIOD, self._evaluate))
        found += writers
        if spec.save_weights and self._job.world.is_main:
            # Behind the evaluation and its report, unlike upstream's: whoever goes on from here
            # has lost neither.
            period = self.cfg.SOLVER.CHECKPOINT_PERIOD
            kept = checkpoints.KEPT
            found.append(PeriodicCheckpointer(self.checkpointer, period, max_to_keep=kept))
        return [*found, _StopAtTarget(self._job.evaluations)]

    def train(self) -> None:
        try:
            super().train()
        except _TargetReachedError:
            if self._job.spec.save_weights and self._job.world.is_main:
                self.checkpointer.save(checkpoints.FINAL.removesuffix(".pth"))

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator:
        coco = COCOEvaluator(dataset_name, output_dir=cfg.OUTPUT_DIR, allow_cached_coco=False)
        if cfg.MODEL.META_ARCHITECTURE != "PanopticFPN":
            return coco
        stuff = SemSegEvaluator(dataset_name, sem_seg_loading_fn=labels_of)
        return DatasetEvaluators([coco, stuff, PanopticEvaluator(dataset_name)])

    def evaluate(self) -> None:
        self._evaluate()

    def _evaluate(self) -> dict[str, dict[str, float]]:
        """Evaluate the val split; returns upstream's results for its storage (main process)."""
        done = self.iter + 1 if self._job.spec.train else 0
        # At the end upstream has already incremented its count.
        done = min(done, self._job.spec.num_iterations)
        with self._job.evaluations.timed(done) as found:
            emit("progress", phase="evaluating", done=0, total=0)
            if self._job.world.is_main:  # upstream writes no file if it has detected nothing
                (self._job.output / accuracy.DETECTIONS).unlink(missing_ok=True)
            results = self.test(self.cfg, self.model)
            if self._job.world.is_main:
                if self._job.dataset.rule == "voc":
                    results = self._by_vocs_rules()
                found |= _accuracy(results)
            found |= from_main(found, self._job.world)
        return results

    def _by_vocs_rules(self) -> dict[str, dict[str, float]]:
        """The accuracy by VOC's rules of the detections that upstream's evaluator has written."""
        file = self._job.output / accuracy.DETECTIONS
        detections = json.loads(file.read_bytes()) if file.is_file() else []
        found = accuracy.measure(self._job.dataset, detections, ("bbox",), self._job.output)
        values = {k: math.nan if v is None else v for k, v in found.items()}
        results: dict[str, dict[str, float]] = {}
        for task, metric in ((name.split(" ", 1)) for name in values):
            results.setdefault(task, {})[metric] = values[f"{task} {metric}"]
        return results


class _TargetReachedError(BaseException):
    """Ends upstream's loop, which would log an Exception as a failure."""


class _StopAtTarget(HookBase):  # type: ignore[misc]
    def __init__(self, evaluations: Evaluations) -> None:
        self._evaluations = evaluations

    def after_step(self) -> None:
        if self._evaluations.reached:
            raise _TargetReachedError


class _Forward(HookBase):  # type: ignore[misc]
    """Passes detectron2's hook calls on to ours."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self._hooks = hooks

    def before_train(self) -> None:
        for hook in self._hooks:
            hook.before_train(self.trainer)

    def before_step(self) -> None:
        for hook in self._hooks:
            hook.before_step(self.trainer.iter)

    def after_step(self) -> None:
        # Upstream gathers these on the main process; the other processes have none.
        latest, unknown = self.trainer.storage.latest(), (math.nan, 0)
        step = Step(
            iteration=self.trainer.iter,
            data_seconds=latest.get("data_time", unknown)[0],
            loss=latest.get("total_loss", unknown)[0],
        )
        for hook in reversed(self._hooks):
            hook.after_step(step)

    def after_train(self) -> None:
        for hook in self._hooks:
            hook.after_train()


def _accuracy(results: dict[str, dict[str, Any]]) -> accuracy.Accuracy:
    found: accuracy.Accuracy = {}
    for task, metrics in results.items():
        for metric in (name for name in metrics if name in _METRICS or task == "VOC"):
            value = float(metrics[metric])
            name = f"{accuracy.TASKS.get(task, task)} {metric}"
            found[name] = None if math.isnan(value) else value
    return found
