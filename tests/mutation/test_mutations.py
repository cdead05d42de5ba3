"""Files cut, flipped, shuffled and dressed up: the right table or a refusal, nothing else."""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.mutation.form import Format
from tests.mutation.formats import FORMATS
from tests.mutation.outcome import parse

TEXTS = [form for form in FORMATS if form.is_text]
# What may stand where a number is expected.
POISON = [
    b"", b"-1", b"-", b".", b"1.2.3", b"9" * 25, b"9" * 5000, b"1e5", b"1e400", b"1e999999",
    b"inf", b"nan", b"NaN", b"null", b"true", b"1_0", b"0x10", b"1,234", b"1.5", b"\xc2\xb2",
    b"\xd9\xa3", b'"', b"{", b"\\ud800", b"\x00", b"\xff", b"\r", b"\n",
]  # fmt: skip
PACKS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}

of_each = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
of_each_text = pytest.mark.parametrize("form", TEXTS, ids=lambda form: form.name)


def generated(num: int) -> Callable[[Any], Any]:
    """So many examples, the same ones in every run."""
    return settings(
        max_examples=num,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@pytest.fixture
def path(tmp_path: Path, form: Format) -> Path:
    return tmp_path / f"mutated{form.suffix}"


def figures(path: Path, form: Format, content: bytes) -> Any:
    """What the verb tells of this content; None where it refuses it."""
    path.write_bytes(content)
    rows = parse(path, *form.verb, of=form.name)
    return None if rows is None else form.shown(rows)


def same(found: Any, expected: Any) -> bool:
    """Equal up to rounding, however nested."""
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[k], expected[k]) for k in found)
    if isinstance(found, list | tuple) and isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(found, float) and isinstance(expected, float | int):
        return math.isclose(found, expected, rel_tol=1e-9)
    return bool(found == expected)


def assert_told(found: Any, expected: Any, *, may_refuse: bool) -> None:
    assert same(found, expected) or (may_refuse and found is None), (found, expected)


@of_each
def test_the_whole_file_is_read(path: Path, form: Format) -> None:
    expected = form.of(form.lines)
    assert expected is not None
    assert_told(figures(path, form, form.content), expected, may_refuse=False)


@of_each_text
def test_cut_at_any_byte(path: Path, form: Format) -> None:
    for cut in range(len(form.content)):
        lines = form.content[:cut].splitlines(keepends=True)
        found = figures(path, form, form.content[:cut])
        rest = form.content[cut:].split(b"\n")[0]
        if not rest or form.content[:cut].endswith(b"\n"):  # only whole lines: nobody can tell
            may_refuse = form.may_refuse or (not rest and form.ends_in == "number")
            assert_told(found, form.of(lines), may_refuse=may_refuse)
            continue
        line = (lines or [b""])[-1]
        left = lines[:-1]
        has_begun = form.is_data(line + rest) and line.strip() != b""
        if has_begun and form.ends_in == "name" and b"," not in rest and not line.endswith(b","):
            left.append(line + rest)
        if form.enough and form.enough in line:
            left.append(line + rest)
        silent = form.leaves_out or not has_begun or len(left) == len(lines)
        assert found is None or (silent and same(found, form.of(left))), (cut, found)


@pytest.mark.parametrize("form", [f for f in FORMATS if not f.is_text], ids=lambda f: f.name)
@generated(60)
@given(data=st.data())
def test_a_binary_file_cut_anywhere_is_refused(
    path: Path, form: Format, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(form.content) - 1))
    assert figures(path, form, form.content[:cut]) is None


@of_each_text
@generated(60)
@given(data=st.data())
def test_lines_of_data_lost_doubled_and_moved(
    path: Path, form: Format, data: st.DataObject
) -> None:
    lines = form.lines
    places = [i for i, line in enumerate(lines) if form.is_data(line)]
    own = [lines[i] for i in places]
    for _ in range(data.draw(st.integers(1, 2))):
        kind = data.draw(st.sampled_from(["lose", "double", "move"]))
        index = data.draw(st.integers(0, max(0, len(own) - 1)))
        if kind == "lose":
            own[index : index + 1] = []
        elif kind == "double":
            own[index:index] = own[index : index + 1]
        elif not form.is_ordered:
            own = data.draw(st.permutations(own))
    # The words around the data keep their place; what is left of the data goes where it began.
    others = {i: line for i, line in enumerate(lines) if i not in places}
    head = [line for i, line in others.items() if i < places[0]]
    tail = [line for i, line in others.items() if i > places[0]]
    found = figures(path, form, b"".join([*head, *own, *tail]))
    assert_told(found, form.of(own), may_refuse=form.may_refuse)


@of_each_text
def test_any_one_line_lost_or_doubled(path: Path, form: Format) -> None:
    lines = form.lines
    for index, line in enumerate(lines):
        for mutated in (
            [*lines[:index], *lines[index + 1 :]],
            [*lines[: index + 1], *lines[index:]],
        ):
            found = figures(path, form, b"".join(mutated))
            assert_told(
                found, form.of(mutated), may_refuse=form.may_refuse or not form.is_data(line)
            )


@of_each
@generated(150)
@given(data=st.data())
def test_flipped_bytes(path: Path, form: Format, data: st.DataObject) -> None:
    content = bytearray(form.content)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    figures(path, form, bytes(content))


@of_each_text
def test_what_is_no_number_in_place_of_one(path: Path, form: Format) -> None:
    own = [line for line in form.lines if form.is_data(line)][1:3]  # the others are alike
    numbers = [
        (offset + found.start(), offset + found.end())
        for line, offset in zip(form.lines, _offsets(form.lines), strict=True)
        if line in own
        for found in re.finditer(rb"\d[\d.,]*", line)
    ]
    for start, end in numbers:
        for poison in POISON:
            figures(path, form, form.content[:start] + poison + form.content[end:])


def _offsets(lines: list[bytes]) -> list[int]:
    return [sum(map(len, lines[:index])) for index in range(len(lines))]


@pytest.mark.parametrize("form", [f for f in TEXTS if f.name != "kineto"], ids=lambda f: f.name)
@pytest.mark.parametrize(
    "dress",
    [
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"),
        lambda content: content.decode().encode("utf-16"),  # PowerShell's `>`
        lambda content: content + b"\n\n",
        lambda content: content.removesuffix(b"\n"),
    ],
    ids=["BOM", "CRLF", "BOM and CRLF", "UTF-16", "blank lines", "no last line end"],
)
def test_dressed_up_by_other_programs(
    path: Path, form: Format, dress: Callable[[bytes], bytes]
) -> None:
    found = figures(path, form, dress(form.content))
    assert_told(found, form.of(form.lines), may_refuse=form.ends_in == "number")


@of_each
@pytest.mark.parametrize("pack", PACKS)
def test_packed_it_is_the_same(path: Path, form: Format, pack: str) -> None:
    packed = PACKS[pack](form.content)
    if pack != "gzip" and form.content.startswith(b"\x1f\x8b"):
        packed = PACKS[pack](gzip.decompress(form.content))
    elif form.content.startswith(b"\x1f\x8b"):
        assert figures(path, form, packed) is None  # packed twice
        return
    assert_told(figures(path, form, packed), form.of(form.lines), may_refuse=False)


@of_each
@pytest.mark.parametrize("pack", PACKS)
@generated(12)
@given(data=st.data())
def test_a_packed_file_that_is_damaged_is_refused(
    path: Path, form: Format, pack: str, data: st.DataObject
) -> None:
    packed = bytearray(PACKS[pack](form.content))
    if data.draw(st.booleans()):
        del packed[data.draw(st.integers(1, len(packed) - 1)) :]
    else:  # behind the header, whose name, time and flags are nothing that is read
        packed[data.draw(st.integers(10, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    found = figures(path, form, bytes(packed))
    # xz has padding that no checksum covers; what is unpacked is the same then.
    assert_told(found, form.of(form.lines), may_refuse=True)


@of_each
@pytest.mark.parametrize("name", ["x", "x.csv", "x.json", "x.sqlite", "x.gz", "x.nsys-rep"])
def test_the_name_does_not_matter(tmp_path: Path, form: Format, name: str) -> None:
    found = figures(tmp_path / name, form, form.content)
    assert_told(found, form.of(form.lines), may_refuse=False)


@of_each
@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\x00", b"\x00" * 9999, b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b", b"{", b"[]",
     b"{}", b"[[]]", b'{"traceEvents": 5}', b"SQLite format 3\x00", b"\x80" * 500,
     b"," * 5000, b'"' * 5001, b"[" * 100_000, b"#", b"a,b\n1,2\n", b"==7== NVPROF\n"],
    ids=lambda content: repr(content[:12]),
)  # fmt: skip
def test_what_is_no_such_file(path: Path, form: Format, content: bytes) -> None:
    assert figures(path, form, content) is None


@of_each
def test_what_cannot_be_read(path: Path, form: Format) -> None:
    assert parse(path, *form.verb, of=form.name) is None  # not there
    path.mkdir()
    assert parse(path, *form.verb, of=form.name) is None
    path.rmdir()
    os.mkfifo(path)  # opening one waits for a writer
    assert parse(path, *form.verb, of=form.name) is None


@of_each
def test_without_the_permission(path: Path, form: Format) -> None:
    path.write_bytes(form.content)
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # what root does needs no permission
    try:
        assert parse(path, *form.verb, of=form.name) is None
    finally:
        os.seteuid(user)


@of_each
def test_other_verbs_refuse_it(path: Path, form: Format) -> None:
    path.write_bytes(form.content)
    for verb in {other.verb[0] for other in FORMATS} - {form.verb[0]}:
        assert parse(path, verb, of=form.name) is None
