"""The ledger's arithmetic, with storages, levels and time made up."""

from itertools import count
from pathlib import Path

import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from detbench.readers.memory_curve import read_memory_curve
from detbench.training.device_memory import DeviceMemory
from detbench.training.memory_ledger import Account, Ledger, parts_of
from detbench.training.memory_tables import write_timeline

LEVELS = (("allocated", "(inside)"), ("device used", "(outside)"))
MEMORY = DeviceMemory(LEVELS, lambda: (1000, 3000))
TEMPORARY, KEPT = ("temporaries", "conv"), ("activations", "conv")


def ledger(most: int = 200) -> Ledger:
    return Ledger(MEMORY, clock=count(step=10).__next__, most=most)


def test_what_no_tensor_explains_makes_the_parts_add_up() -> None:
    book = ledger()
    book.begin(5)
    book.add(600, TEMPORARY)
    book.end()
    (peak,) = book.peaks.values()
    assert parts_of(peak, MEMORY) == {
        TEMPORARY: 600,
        ("unattributed", "(inside)"): 400,
        ("unattributed", "(outside)"): 2000,
    }


def test_the_peak_is_what_stood_together_not_each_ones_own_peak() -> None:
    book = ledger()
    book.begin(0)
    first = book.add(700, TEMPORARY)
    book.free(first)
    book.add(400, KEPT)
    book.add(500, TEMPORARY)
    book.end()
    assert book.peaks[0, "data"].tracked == 900
    assert book.peaks[0, "data"].parts == {TEMPORARY: 500, KEPT: 400}


def test_a_storage_counts_as_what_it_turns_out_to_be_also_at_a_peak_gone_by() -> None:
    book = ledger()
    book.begin(0)
    book.add(10, TEMPORARY)
    late, scratch = book.add(600, TEMPORARY), book.add(100, TEMPORARY)
    book.free(scratch)
    book.enter("forward")
    book.move(late, KEPT)
    book.end()
    assert book.peaks[0, "data"].parts == {TEMPORARY: 110, KEPT: 600}
    held = [moment.categories["activations"] for moment in book.timeline]
    assert held == [0, *[600] * (len(held) - 1)]  # the first moment is from before it came


def test_a_storage_that_grows() -> None:
    book = ledger()
    book.begin(0)
    account = book.add(100, TEMPORARY)
    book.resize(account, 300)
    book.resize(account, 50)
    book.free(account)
    book.end()
    assert book.peaks[0, "data"].tracked == 300
    assert book.timeline[-1].tracked == 0


def test_a_long_phase_keeps_few_moments_and_says_of_how_many_changes() -> None:
    book = ledger(most=8)
    book.begin(0)
    for size in range(1000):
        book.free(book.add(10_000 if size == 617 else size, TEMPORARY))
    book.end()
    assert len(book.timeline) < 8
    assert sum(moment.changes for moment in book.timeline) == 2000
    assert max(moment.tracked for moment in book.timeline) == 10_000
    # Each is the highest of its stretch: the sizes only grow, but for the one.
    position = 0
    for moment in book.timeline:
        sizes = range(position // 2, (position + moment.changes) // 2)
        assert moment.tracked == (10_000 if 617 in sizes else max(sizes))
        position += moment.changes


STEPS = st.lists(st.tuples(st.sampled_from("afmp"), st.integers(0, 1000)), max_size=120)


@given(STEPS)
def test_any_course_of_things_has_its_peaks_and_adds_up(steps: list[tuple[str, int]]) -> None:
    book, phase = ledger(most=8), "data"
    live: list[Account] = []
    highest = {"data": 0}
    book.begin(0)
    for number, (what, size) in enumerate(steps):
        if what == "a":
            live.append(book.add(size, TEMPORARY))
        elif what == "p":
            phase = f"phase {number}"
            book.enter(phase)
        elif live and what == "f":
            book.free(live.pop(size % len(live)))
        elif live:
            book.move(live[size % len(live)], KEPT)
        highest[phase] = max(highest.get(phase, 0), sum(account.size for account in live))
    book.end()
    assert {at: peak.tracked for (_, at), peak in book.peaks.items()} == highest
    for peak in book.peaks.values():
        assert sum(peak.parts.values()) == peak.tracked
        assert min(peak.parts.values(), default=0) >= 0
    for name, top in highest.items():
        own = [moment for moment in book.timeline if moment.phase == name]
        assert max(moment.tracked for moment in own) == top
    for moment in book.timeline:
        assert sum(moment.categories.values()) == moment.tracked
        assert min(moment.categories.values()) >= 0


def test_the_timelines_file_has_the_devices_levels(tmp_path: Path) -> None:
    book = ledger()
    book.begin(7)
    book.add(600, TEMPORARY)
    book.end()
    write_timeline(tmp_path / "memory_bs4.csv", book.timeline, MEMORY)
    (row,) = read_memory_curve(tmp_path / "timeline_bs4.csv").to_dict("records")
    assert (row["iteration"], row["phase"], row["changes"]) == (7, "data", 1)
    assert row["temporaries (bytes)"] == 600
    assert row["unattributed (bytes)"] == 2400
    assert row["total (bytes)"] == row["device used (bytes)"] == 3000
    assert row["allocated (bytes)"] == 1000
