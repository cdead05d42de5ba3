"""The catalogue: what profiles are called, and what they hold."""

import pytest

from detbench.errors import UsageError
from detbench.gpus.profiles import matching, profile_named, profiles

MIB = 1 << 20


def test_a_vgpu_types_middle_number_is_its_compute_slices() -> None:
    small, large = profile_named("A100D-1-10C"), profile_named("A100D-2-20C")
    assert (small.compute_slices, small.total_slices, small.max_instances) == (1, 7, 7)
    assert (small.memory_bytes, small.mig_profile) == (10240 * MIB, "1g.10gb")
    assert (large.compute_slices, large.memory_bytes, large.max_instances) == (2, 20480 * MIB, 3)


def test_of_equal_memory_more_slices_compute_faster() -> None:
    three, four = profile_named("A100D-3-40C"), profile_named("A100D-4-40C")
    assert three.memory_bytes == four.memory_bytes
    assert (three.num_sms, four.num_sms) == (42, 56)
    assert profile_named("A100D-1-20C").num_sms == profile_named("A100D-1-10CME").num_sms == 14


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("a100d-2-20c", "A100D-2-20C"),
        ("GRID A100D-2-20C", "A100D-2-20C"),
        ("NVIDIA A100D-2-20C", "A100D-2-20C"),
        ("NVIDIA A100-SXM4-80GB MIG 2g.20gb", "A100-80GB-2g.20gb"),
        ("NVIDIA A100 80GB PCIe MIG 1g.10gb+me", "A100-80GB-1g.10gb+me"),
        ("A100-80GB-PCIe-MIG-1g.10gb-me", "A100-80GB-1g.10gb+me"),  # a folder of results
        ("NVIDIA H100 PCIe", "H100-PCIe-80GB"),
        ("GeForce RTX 3090", "RTX-3090"),
        ("Tesla T4", "T4"),
    ],
)
def test_nvmls_names_are_names_too(spelling: str, name: str) -> None:
    assert profile_named(spelling).name == name


def test_an_unknown_name_is_refused_with_those_near_it() -> None:
    with pytest.raises(UsageError, match=r"'A100D-2-20D'; near it are A100D-2-20C.*--catalogue"):
        profile_named("A100D-2-20D")


def test_a_part_of_the_name_or_of_the_gpus_name_filters() -> None:
    assert {p.gpu for p in matching("h200")} == {"H200-141GB"}
    assert "A100DX-2-20C" in [p.name for p in matching("A100-80GB")]


def test_every_figure_can_be() -> None:
    by_name = {p.name: p for p in profiles()}
    assert len(by_name) == len(profiles())
    for profile in profiles():
        whole = by_name[profile.gpu]
        assert profile.source
        assert profile.compute_capability == whole.compute_capability
        assert 1 <= profile.compute_slices <= profile.total_slices == whole.total_slices
        assert (profile.kind == "full") == (profile is whole) == (profile.mig_profile == "")
        # Instances of a kind share the GPU: neither SMs nor slices are given out twice.
        assert profile.max_instances * profile.compute_slices <= profile.total_slices
        if profile.num_sms is not None and whole.num_sms is not None:
            assert profile.max_instances * profile.num_sms <= whole.num_sms
        if profile.kind == "mig":
            assert profile.max_instances * profile.memory_bytes <= whole.memory_bytes
