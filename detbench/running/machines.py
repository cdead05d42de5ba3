"""The machines of a training: how many there are, which one this is, and where they meet."""

from __future__ import annotations

import socket

from detbench.errors import MissingError, UsageError
from detbench.records.spec import Nodes
from detbench.running.place import Door


def machines(count: int, rank: int, rendezvous: str, launcher: Door) -> Nodes:
    """Describe `count` machines that meet at `rendezvous`; this one is number `rank`.

    Raises:
        UsageError: the options contradict each other, or `rendezvous` is not HOST:PORT.
        MissingError: this is machine 0, and the port is taken.
    """
    if count == 1:
        if rank or rendezvous:
            raise UsageError(
                "--node-rank and --rendezvous are for several machines", "pass --nodes as well"
            )
        return Nodes()
    host, _, port = rendezvous.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise UsageError(
            f"--nodes {count} needs --rendezvous HOST:PORT, not '{rendezvous}'",
            "name machine 0 and a port that is free there",
        )
    if rank >= count:
        raise UsageError(f"--node-rank {rank}: the last of {count} machines is {count - 1}")
    if launcher == "docker":
        raise UsageError(
            "--launcher docker trains on one machine",
            "bash run_container.sh on each, and train.sh --nodes inside",
        )
    if rank == 0:
        _check_free(int(port))
    return Nodes(count=count, rank=rank, rendezvous=rendezvous)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise MissingError(
                f"port {port} cannot be listened on here: {error.strerror}",
                "name another one in --rendezvous, on all machines",
            ) from error
