import pytest

from detbench.errors import MissingError, UsageError
from detbench.gpus.discovery import Gpu
from detbench.records.modes import MODES
from detbench.records.spec import RunSpec
from detbench.running.plan import Purpose, Request, plan
from detbench.suite import Schedule, family_names, load_family

V100 = Gpu("GPU-1", "Tesla V100-SXM2-32GB", 32 << 30, (7, 0), "535.1", is_mig=False)
FAMILY = load_family("maskrcnn")
SEEDS_FIFTEEN = {
    "faster_rcnn_R_101_C4_3x", "faster_rcnn_R_101_DC5_3x", "faster_rcnn_R_101_FPN_3x",
    "faster_rcnn_R_50_C4_1x", "faster_rcnn_R_50_C4_3x", "faster_rcnn_R_50_DC5_1x",
    "faster_rcnn_R_50_DC5_3x", "faster_rcnn_R_50_FPN_1x", "faster_rcnn_R_50_FPN_3x",
    "faster_rcnn_X_101_32x8d_FPN_3x", "retinanet_R_101_FPN_3x", "retinanet_R_50_FPN_1x",
    "retinanet_R_50_FPN_3x", "rpn_R_50_C4_1x", "rpn_R_50_FPN_1x",
}  # fmt: skip


def test_the_faster_rcnn_family_has_the_seeds_configs() -> None:
    models = load_family("faster_rcnn").models
    assert {name for name in models if not name.endswith("_tiny")} == SEEDS_FIFTEEN


TINY = "mask_rcnn_R_18_FPN_tiny"


def one(
    request: Request,
    mode: str = "noprofile",
    gpu: Gpu | None = None,
    purpose: Purpose = "window",
) -> RunSpec:
    return plan(FAMILY, MODES[mode], request, gpu, purpose=purpose)[0]


def test_every_family_loads_and_knows_a_window_for_every_mode() -> None:
    for name in family_names():
        family = load_family(name)
        for defaults in family.defaults.values():
            assert set(defaults.windows) == set(MODES)
            assert family.group(defaults.model)


def test_a_short_run_has_a_shorter_warm_up_and_ends_where_it_is_told_to() -> None:
    short = Request(shortened_to=10)
    assert str(one(short).window) == "[3, 10)"  # the family's starts at 5
    assert str(one(short, "torch").window) == "[3, 5)"  # a profiler's own count
    assert str(one(short, "nsight", V100).window) == "[3, 4)"
    assert str(one(Request(shortened_to=1)).window) == "[0, 1)"


def test_several_models_and_groups_are_named_at_once() -> None:
    both = plan(
        FAMILY, MODES["noprofile"], Request(model=f"{TINY}, mask_rcnn_R_50_C4_1x,{TINY}"), None,
        purpose="window",
    )  # fmt: skip
    assert [spec.model for spec in both] == [TINY, "mask_rcnn_R_50_C4_1x"]


def test_the_linear_scaling_rule() -> None:
    stated = Schedule(
        batch_size=16, learning_rate=0.02, num_iterations=90000, steps=(60000, 80000),
        warmup_iterations=1000,
    )  # fmt: skip
    scaled = stated.scaled(2)
    assert scaled.learning_rate == pytest.approx(0.0025)
    assert (scaled.num_iterations, scaled.steps) == (720000, (480000, 640000))
    assert scaled.warmup_iterations == 8000


def test_without_a_gpu_the_defaults_are_the_cpus() -> None:
    spec = one(Request())
    assert (spec.device, spec.model, spec.dataset, spec.weights) == (
        "cpu",
        TINY,
        "embedded",
        "none",
    )
    assert spec.gpu_profile == "cpu"


def test_with_a_gpu_the_defaults_are_its_own() -> None:
    spec = one(Request(), gpu=V100)
    assert (spec.device, spec.dataset, spec.weights) == ("cuda", "coco", "zoo")
    assert spec.gpu_profile == "V100-32GB"  # as the catalogue calls it


def test_a_run_ends_with_its_window_and_a_training_with_its_schedule() -> None:
    assert one(Request(start=3, count=4)).num_iterations == 7
    full = one(Request(start=10), purpose="accuracy")
    assert full.num_iterations == FAMILY.models[TINY].schedule.num_iterations
    assert (full.window.start, full.window.stop) == (10, full.num_iterations)
    assert full.evaluate
    assert full.save_weights
    assert (full.evaluate_every, full.checkpoint_every) == (75, 50)
    # A clock cannot go on where another one stopped.
    assert one(Request(), purpose="target").checkpoint_every is None
    judged = one(Request(), purpose="evaluation")
    assert (judged.train, judged.evaluate, judged.num_iterations) == (False, True, 1)


def test_accuracy_is_trained_to_at_one_batch_size_unless_several_are_named() -> None:
    on_gpu = plan(FAMILY, MODES["noprofile"], Request(), V100, purpose="accuracy")
    assert [s.batch_size for s in on_gpu] == [2]
    named = Request(batch_sizes=(2, 4))
    several = plan(FAMILY, MODES["noprofile"], named, V100, purpose="accuracy")
    assert [s.batch_size for s in several] == [2, 4]


def test_a_group_is_its_models_and_the_default_on_a_gpu_is_the_chosen_one() -> None:
    family = load_family("faster_rcnn")
    request = Request(batch_sizes=(2,))
    chosen = plan(family, MODES["nvprof"], request, V100, purpose="window")
    assert [s.model for s in chosen] == [
        "faster_rcnn_R_101_FPN_3x", "faster_rcnn_X_101_32x8d_FPN_3x", "retinanet_R_101_FPN_3x",
    ]  # fmt: skip
    fpn = plan(
        family, MODES["nvprof"], Request(model="fpn", batch_sizes=(2,)), V100, purpose="window"
    )
    assert len(fpn) == 7
    assert all("FPN" in s.model for s in fpn)
    for family_name in family_names():
        family = load_family(family_name)
        assert all(m in family.models for group in family.groups.values() for m in group)


def test_efficientdets_schedule_is_the_published_one_scaled_by_the_batch() -> None:
    model = load_family("efficientdet").model("tf_efficientdet_d0")
    # 300 epochs of 118,287 images, 0.16 at a batch of 128 (Tan et al., 2020).
    assert model.schedule.num_iterations == pytest.approx(300 * 118_287 / 128, rel=1e-3)
    scaled = model.schedule.scaled(16)
    assert scaled.learning_rate == pytest.approx(0.02)
    assert scaled.decay == "cosine"
    assert scaled.evaluate_every == 8 * 924
    assert model.effdet is not None
    assert (model.effdet.average_decay, model.effdet.weight_decay) == (0.9998, 4e-5)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(model="yolo"), "maskrcnn has no model 'yolo'; known: mask_rcnn_R_50_FPN_1x"),
        (Request(framework="jax"), "no framework 'jax'; known: detectron2, torchvision"),
        (
            Request(framework="torchvision", model="mask_rcnn_R_101_FPN_3x"),
            "torchvision does not have mask_rcnn_R_101_FPN_3x; it has: mask_rcnn_R_50_FPN_1x",
        ),
        (Request(batch_sizes=(0,)), "batch size 0 is too small; it is at least 1"),
        (Request(num_processes=3), "batch size 4 cannot be shared equally among 3 processes"),
        (Request(start=8, count=5, num_iterations=10), r"window \[8, 13\) ends past the last"),
    ],
)
def test_a_contradiction_is_refused(request_: Request, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        one(request_)


def test_cuda_without_a_gpu_is_refused() -> None:
    with pytest.raises(MissingError, match="no NVIDIA GPU"):
        one(Request(device="cuda"))


def test_an_unknown_family_is_told_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no family 'yolo'; known: .*maskrcnn"):
        load_family("yolo")


def test_equal_specs_have_equal_digests_and_others_not() -> None:
    assert one(Request()).digest() == one(Request()).digest()
    assert one(Request()).digest() != one(Request(seed=1)).digest()


@pytest.mark.parametrize("mode", ["nvprof", "nsight", "dlprof"])
def test_a_profiler_that_follows_one_process_is_given_one(mode: str) -> None:
    with pytest.raises(UsageError, match=f"mode {mode} profiles one process"):
        one(Request(num_processes=2), mode, V100)
    assert one(Request(num_processes=2), "torch", V100).world_size == 2


def test_mode_nsight_loads_its_images_itself() -> None:
    assert one(Request(), "nsight", V100).num_workers == 0
    assert one(Request(), "noprofile", V100).num_workers == 4
    with pytest.raises(UsageError, match="--num-workers 2: mode nsight loads its images"):
        one(Request(num_workers=2), "nsight", V100)


def test_kernels_are_chosen_in_mode_nsight_only() -> None:
    spec = one(Request(kernels="gemm|conv", launch_count=9), "nsight", V100)
    assert (spec.kernels, spec.launch_count) == ("gemm|conv", 9)
    for request in (Request(kernels="gemm"), Request(launch_count=1), Request(roofline=True)):
        with pytest.raises(UsageError, match="choose what mode nsight measures, not torch"):
            one(request, "torch", V100)
    with pytest.raises(UsageError, match=r"--kernels '\(' is no regular expression"):
        one(Request(kernels="("), "nsight", V100)


def test_mode_dlprof_trains_what_its_image_has() -> None:
    spec = one(Request(), "dlprof", V100)
    assert (spec.model, spec.framework) == ("mask_rcnn_R_50_FPN_1x", "torchvision")
    with pytest.raises(UsageError, match=r"not mask_rcnn_R_101_FPN_3x; it has: mask_rcnn_R_50"):
        one(Request(model="mask_rcnn_R_101_FPN_3x"), "dlprof", V100)
    family = load_family("efficientdet")
    with pytest.raises(UsageError, match="it has: none of this family"):
        plan(family, MODES["dlprof"], Request(), V100, purpose="window")
