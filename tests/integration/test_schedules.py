"""The schedules of benchmark.yaml against those of the configs that they are said to be."""

import pytest

from detbench.suite import family_names, load_family

pytestmark = pytest.mark.train

MODELS = [
    (family, name)
    for family in family_names()
    for name, model in load_family(family).models.items()
    if model.detectron2 and not name.endswith("_tiny")
]


@pytest.mark.parametrize(("family", "name"), MODELS)
def test_a_schedule_is_upstreams(family: str, name: str) -> None:
    from detectron2 import model_zoo
    from detectron2.config import get_cfg

    model = load_family(family).models[name]
    assert model.detectron2 is not None
    cfg = get_cfg()
    cfg.merge_from_file(model_zoo.get_config_file(model.detectron2.config))
    solver, ours = cfg.SOLVER, model.schedule
    assert ours.batch_size == solver.IMS_PER_BATCH
    assert ours.learning_rate == solver.BASE_LR
    assert ours.num_iterations == solver.MAX_ITER
    assert ours.steps == tuple(solver.STEPS)
    assert ours.warmup_iterations == solver.WARMUP_ITERS
