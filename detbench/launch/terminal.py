"""Connects a container to this process's stdin and stdout, whether they are a terminal or not."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker.models.containers import Container

_BLOCK = 1 << 16


def attend(container: Container, *, is_terminal: bool) -> int:
    """Start the container, connect it to this process, and return its exit code.

    With `is_terminal` the container has a terminal, as this process's stdin has. Without one its
    stdout and stderr go to ours, and the end of our stdin ends its stdin.
    """
    attached: Any = container.attach_socket(
        params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1, "logs": 1}
    )
    connection = attached._sock  # the SDK has no other way to write
    connection.settimeout(None)  # the SDK's is a minute, and a training may be silent longer
    try:
        container.start()
        if is_terminal:
            with _raw(sys.stdin.fileno()), _follows_size(container):
                _talk(connection)
        else:
            threading.Thread(target=_send, args=(connection,), daemon=True).start()
            _receive(connection)
    finally:
        connection.close()
    return int(container.wait()["StatusCode"])


def _talk(connection: socket.socket) -> None:
    """Copy both directions until the container's side ends."""
    stdin, stdout = sys.stdin.fileno(), sys.stdout.fileno()
    while True:
        ready, _, _ = select.select([connection, stdin], [], [])
        if connection in ready:
            if not (block := connection.recv(_BLOCK)):
                return
            os.write(stdout, block)
        if stdin in ready:
            connection.sendall(os.read(stdin, _BLOCK))


def _send(connection: socket.socket) -> None:
    with suppress(OSError):  # the container may end without reading all input
        while block := os.read(sys.stdin.fileno(), _BLOCK):
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)


def _receive(connection: socket.socket) -> None:
    """Copy output without a terminal. A frame: stream number, three zeros, length, content."""
    while header := _exactly(connection, 8):
        block = _exactly(connection, int.from_bytes(header[4:], "big"))
        os.write(2 if header[0] == 2 else 1, block)


def _exactly(connection: socket.socket, count: int) -> bytes:
    """Read that many bytes, or fewer at the end of the stream."""
    blocks = []
    while count and (block := connection.recv(min(count, _BLOCK))):
        blocks.append(block)
        count -= len(block)
    return b"".join(blocks)


@contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    """Turn off the terminal's line editing and echo, which the container's shell provides."""
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor, termios.TCSADRAIN)  # keep what was already typed
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _follows_size(container: Container) -> Iterator[None]:
    def resize(*_: object) -> None:
        columns, lines = shutil.get_terminal_size()
        container.resize(lines, columns)

    resize()
    outside = signal.signal(signal.SIGWINCH, resize)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, outside)
