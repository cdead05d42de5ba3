"""detectron2: its DefaultTrainer and its model zoo's configs, extended by a hook only."""

from __future__ import annotations

import importlib.metadata
import json
import math
from collections.abc import Sequence
from typing import Any

import detectron2
import torch
from detectron2 import model_zoo
from detectron2.config import CfgNode, get_cfg
from detectron2.data import DatasetCatalog
from detectron2.data.datasets import register_coco_instances
from detectron2.engine import DefaultTrainer, HookBase, default_setup
from detectron2.engine.hooks import EvalHook, PeriodicCheckpointer
from detectron2.evaluation import COCOEvaluator

from detbench.errors import MissingError, UsageError
from detbench.events import emit
from detbench.records import RunSpec
from detbench.training.coco_eval import TASKS
from detbench.training.protocol import Hook, Job, Step, Trainer

_METRICS = ("AP", "AP50", "AP75", "AR@100", "AR@1000")


def versions() -> dict[str, str]:
    """detectron2's version, and which build of it is installed."""
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
    if job.spec.precision == "amp" and job.spec.device != "cuda":
        raise UsageError("detectron2 trains with amp on cuda only", "use --precision fp32")
    cfg = _config(job)
    default_setup(cfg, None)
    trainer = _Trainer(cfg, job.spec, hooks)
    try:
        trainer.resume_or_load(resume=False)
    except OSError as error:
        raise MissingError(
            f"weights {cfg.MODEL.WEIGHTS} cannot be read: {error}",
            "--weights none starts from scratch, --weights FILE from a file fetched before",
        ) from error
    return trainer


def _config(job: Job) -> CfgNode:
    assert job.model.detectron2 is not None  # checked when the spec was made
    spec, schedule = job.spec, job.schedule
    cfg = get_cfg()
    cfg.merge_from_file(model_zoo.get_config_file(job.model.detectron2.config))
    for key, value in job.model.detectron2.overrides.items():
        cfg.merge_from_list([key, value])
    cfg.MODEL.DEVICE = spec.device
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = cfg.MODEL.RETINANET.NUM_CLASSES = len(job.dataset.classes)
    if spec.weights == "none":
        cfg.MODEL.WEIGHTS = ""
    elif spec.weights != "zoo":
        cfg.MODEL.WEIGHTS = spec.weights
    cfg.DATASETS.TRAIN = (_register(job, "train"),)
    cfg.DATASETS.TEST = (_register(job, "val"),)
    cfg.DATALOADER.NUM_WORKERS = spec.num_workers
    cfg.SOLVER.IMS_PER_BATCH = spec.batch_size
    cfg.SOLVER.BASE_LR = schedule.learning_rate
    cfg.SOLVER.MAX_ITER = spec.num_iterations
    cfg.SOLVER.STEPS = tuple(s for s in schedule.steps if s < spec.num_iterations)
    cfg.SOLVER.WARMUP_ITERS = schedule.warmup_iterations
    cfg.SOLVER.WARMUP_FACTOR = 1.0 / max(1, schedule.warmup_iterations)
    cfg.SOLVER.CHECKPOINT_PERIOD = spec.num_iterations + 1  # model_final.pth is enough
    cfg.SOLVER.AMP.ENABLED = spec.precision == "amp"
    cfg.SEED = spec.seed
    cfg.OUTPUT_DIR = str(job.output)
    cfg.freeze()
    return cfg


def _register(job: Job, split: str) -> str:
    name = f"detbench_{job.dataset.name}_{split}"
    if name not in DatasetCatalog.list():
        part = job.dataset.train if split == "train" else job.dataset.val
        register_coco_instances(name, {}, str(part.annotations), str(part.images))
    return name


class _Trainer(DefaultTrainer):  # type: ignore[misc]
    def __init__(self, cfg: CfgNode, spec: RunSpec, hooks: Sequence[Hook]) -> None:
        self._spec = spec
        self._detbench_hooks = hooks
        super().__init__(cfg)

    @property
    def model(self) -> torch.nn.Module:
        return self._trainer.model

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        return self._trainer.optimizer

    def build_hooks(self) -> list[HookBase]:
        unwanted: list[type] = []
        if not self._spec.save_weights:
            unwanted.append(PeriodicCheckpointer)
        if not self._spec.evaluate:
            unwanted.append(EvalHook)  # it would evaluate at the end of every training
        upstream = [h for h in super().build_hooks() if not isinstance(h, tuple(unwanted))]
        # Ours first, so that an iteration ends before checkpoints and writers begin.
        return [_Forward(self._detbench_hooks), *upstream]

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> COCOEvaluator:
        emit("progress", phase="evaluating", done=0, total=0)
        return COCOEvaluator(dataset_name, output_dir=cfg.OUTPUT_DIR, allow_cached_coco=False)

    def evaluate(self) -> dict[str, float | None]:
        # Upstream's hook has evaluated at the end of the training, and put it into metrics.json.
        return _accuracy(self._last_eval_results)


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
        latest = self.trainer.storage.latest()
        step = Step(
            iteration=self.trainer.iter,
            data_seconds=latest["data_time"][0],
            loss=latest["total_loss"][0],
        )
        for hook in self._hooks:
            hook.after_step(step)

    def after_train(self) -> None:
        for hook in self._hooks:
            hook.after_train()


def _accuracy(results: dict[str, dict[str, Any]]) -> dict[str, float | None]:
    accuracy: dict[str, float | None] = {}
    for task, metrics in results.items():
        # Proposals have a recall (AR) for 100 and 1000 of them instead.
        for metric in (name for name in _METRICS if name in metrics):
            value = float(metrics[metric])
            accuracy[f"{TASKS.get(task, task)} {metric}"] = None if math.isnan(value) else value
    return accuracy
