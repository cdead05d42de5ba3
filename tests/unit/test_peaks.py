"""Peaks: what a GPU and its slices can do at most."""

import pytest
import yaml

from detbench.gpus import peaks as module
from detbench.gpus.peaks import Peaks, peaks
from detbench.gpus.profiles import profile_named, profiles


def test_datasheet_figures_are_dense_and_in_base_units() -> None:
    found = peaks(profile_named("A100-40GB"))
    assert (found.fp32, found.tf32, found.fp16) == (19.5e12, 156e12, 312e12)
    assert found.memory == 1555e9
    assert found.fp8 is None  # the A100 has none


def test_a_slice_has_its_multiprocessors_share_and_its_memory_slices_bandwidth() -> None:
    found = peaks(profile_named("A100D-1-20C"))  # 14 of 108 multiprocessors, 2 of 8 memory slices
    assert found.fp16 == pytest.approx(312e12 * 14 / 108)
    assert peaks(profile_named("H100-80GB-3g.40gb")).memory == pytest.approx(3350e9 / 2)


def test_boards_that_differ_are_told_apart_by_nvmls_name() -> None:
    profile = profile_named("A100-80GB")
    assert peaks(profile).memory is None
    assert peaks(profile).fp16 == 312e12
    assert peaks(profile, "NVIDIA A100 80GB PCIe").memory == 1935e9
    assert peaks(profile, "NVIDIA A100-SXM4-80GB").memory == 2039e9


def test_a_gpu_without_a_cited_source_has_no_peak() -> None:
    assert peaks(profile_named("RTX-3090")) == Peaks()


def test_every_figure_belongs_to_a_catalogued_gpu_and_has_a_source() -> None:
    figures = yaml.safe_load(module._FILE.read_text(encoding="utf-8"))
    assert set(figures) <= {p.name for p in profiles() if p.kind == "full"}
    for profile in profiles():
        found = peaks(profile)
        assert (found == Peaks()) or found.source
        if found.tf32 and found.fp16:
            assert found.fp16 == pytest.approx(2 * found.tf32, rel=0.02)
