"""Downloads from a real HTTP server on loopback: whole, broken off, wrong, and onto a full disk."""

import hashlib
import io
import re
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from detbench.cli.data import data
from detbench.datasets import archives, download
from detbench.datasets.archives import Archive
from detbench.datasets.download import check_space, fetch
from detbench.datasets.unpack import is_unpacked, unpack
from detbench.errors import BadFileError, MissingError, UsageError


class Server(ThreadingHTTPServer):
    """Serves `content`; `cut` bytes at most in an answer, and maybe without going on."""

    content = b""
    cut: int | None = None
    ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.asked.append(wanted)
        if not self.path.endswith("a.zip"):
            self.send_error(404)
            return
        found = re.fullmatch(r"bytes=(\d+)-", wanted)
        start = int(found[1]) if found and self.server.ranges else 0
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cut])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing: the tests read what they need."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def zipped(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


IMAGE = bytes(range(256)) * 4000
CONTENT = zipped({"val2017/a.jpg": IMAGE, "annotations/x.json": b"{}"})


def archive(server: Server, content: bytes = CONTENT) -> Archive:
    server.content = content
    digest = hashlib.sha256(content).hexdigest()
    return Archive("a.zip", f"{server.url}/zips/a.zip", len(content), digest, len(content))


def quiet(done: int, total: int) -> None:
    assert 0 <= done <= total


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.time, "sleep", lambda _: None)


def test_it_is_fetched_checked_and_unpacked(server: Server, tmp_path: Path) -> None:
    wanted = archive(server)
    assert fetch(wanted, tmp_path, on_bytes=quiet).read_bytes() == CONTENT
    assert not is_unpacked(wanted, tmp_path)
    unpack(wanted, tmp_path, on_bytes=quiet)
    assert (tmp_path / "val2017/a.jpg").read_bytes() == IMAGE
    assert is_unpacked(wanted, tmp_path)
    fetch(wanted, tmp_path, on_bytes=quiet)
    assert server.asked == [""]  # what is there is checked, not fetched again


def test_a_broken_transfer_goes_on(server: Server, tmp_path: Path) -> None:
    server.cut = 300_000
    assert fetch(archive(server), tmp_path, on_bytes=quiet).read_bytes() == CONTENT
    starts = [int(asked[6:-1] or 0) for asked in server.asked]
    assert starts[0] == 0
    assert len(starts) >= 4
    assert all(b - a > 200_000 for a, b in pairwise(starts))


def test_a_server_that_cannot_go_on_begins_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".part-a.zip").write_bytes(CONTENT[:100])
    server.ranges = False
    assert fetch(archive(server), tmp_path, on_bytes=quiet).read_bytes() == CONTENT


def test_what_breaks_off_for_good_stays_for_the_next_call(server: Server, tmp_path: Path) -> None:
    server.cut = 70_000
    with pytest.raises(MissingError, match="broke off 5 times"):
        fetch(archive(server), tmp_path, on_bytes=quiet)
    kept = (tmp_path / ".part-a.zip").read_bytes()
    assert len(kept) > 5 * 50_000
    assert kept == CONTENT[: len(kept)]
    server.cut = None
    assert fetch(archive(server), tmp_path, on_bytes=quiet).read_bytes() == CONTENT


def test_a_wrong_checksum_removes_what_came(server: Server, tmp_path: Path) -> None:
    wanted = archive(server)
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(BadFileError, match=r"its sha256 is .*, the published one"):
        fetch(wanted, tmp_path, on_bytes=quiet)
    assert list(tmp_path.iterdir()) == []


def test_more_than_published_is_refused(server: Server, tmp_path: Path) -> None:
    wanted = archive(server)
    server.content = CONTENT + b"more"
    with pytest.raises(BadFileError, match="it is larger than the"):
        fetch(wanted, tmp_path, on_bytes=quiet)


def test_a_missing_file_and_a_silent_server(server: Server, tmp_path: Path) -> None:
    wanted = archive(server)
    missing = Archive("b.zip", f"{server.url}/b.zip", 1, "", 1)
    with pytest.raises(MissingError, match=r"b.zip: the server says 404 Not Found"):
        fetch(missing, tmp_path, on_bytes=quiet)
    with pytest.raises(MissingError, match="Connection refused"):
        fetch(wanted, tmp_path, mirror="http://127.0.0.1:9", on_bytes=quiet)
    with pytest.raises(UsageError, match="is not a URL"):
        fetch(wanted, tmp_path, mirror="http://", on_bytes=quiet)


def test_a_full_disk(server: Server, small_disk: Path) -> None:
    wanted = archive(server, zipped({"a": bytes(100_000)}))
    with pytest.raises(MissingError, match=r"has 0\.0 GB free"):
        check_space((wanted,), small_disk)
    with pytest.raises(MissingError, match="No space left on device"):
        fetch(wanted, small_disk, on_bytes=quiet)
    small = archive(server, zipped_well(100_000))
    fetch(small, small_disk, on_bytes=quiet)
    with pytest.raises(MissingError, match="No space left on device"):
        unpack(small, small_disk, on_bytes=quiet)
    assert not is_unpacked(small, small_disk)


def zipped_well(size: int) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a", bytes(size))
    return target.getvalue()


def tarred(member: tarfile.TarInfo) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as opened:
        opened.addfile(member)
    return target.getvalue()


def linked() -> tarfile.TarInfo:
    member = tarfile.TarInfo("inside")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped({"../outside": b""}), "'../outside' lies outside"),
        (zipped({"/outside": b""}), "'/outside' lies outside"),
        (tarred(tarfile.TarInfo("a/../../outside")), "lies outside"),
        (tarred(linked()), "'inside' is neither a file nor a folder"),
        (CONTENT[:-100], "not a whole archive"),
        (b"what a proxy says", "not a whole archive"),
    ],
    # Not of the content: a ZIP file holds the time, and test processes have to collect one name.
    ids=["above", "root", "above in a folder", "link", "cut short", "no archive"],
)
def test_an_unsafe_or_broken_archive_is_refused(
    server: Server, tmp_path: Path, content: bytes, words: str
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    wanted = archive(server, content)
    fetch(wanted, root, on_bytes=quiet)
    with pytest.raises(BadFileError, match=words):
        unpack(wanted, root, on_bytes=quiet)
    assert not (tmp_path / "outside").exists()
    assert not is_unpacked(wanted, root)


def test_an_archive_in_the_archive(server: Server, tmp_path: Path) -> None:
    inner = zipped({"panoptic_val2017/a.png": b"png"})
    content = zipped({"annotations/panoptic_val2017.zip": inner})
    found = archive(server, content)
    wanted = Archive(
        found.name, found.url, found.bytes, found.sha256, 1, ("annotations/panoptic_val2017.zip",)
    )
    fetch(wanted, tmp_path, on_bytes=quiet)
    unpack(wanted, tmp_path, on_bytes=quiet)
    assert (tmp_path / "panoptic_val2017/a.png").read_bytes() == b"png"
    assert list((tmp_path / "annotations").iterdir()) == []


def test_the_verb(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(archives.ARCHIVES, "coco", (archive(server),))
    options = ["download", "coco", "--root", str(tmp_path / "new"), "--mirror", server.url]
    done = CliRunner().invoke(data, options, catch_exceptions=False)
    assert done.exit_code == 0
    assert "fetching a.zip: 100 %" in done.output
    assert f"coco is in {tmp_path / 'new'}" in done.output
    assert not (tmp_path / "new/a.zip").exists()
    again = CliRunner().invoke(data, options, catch_exceptions=False)
    assert "unpacked already" in again.output
    assert len(server.asked) == 1
