"""Ports on 127.0.0.1: one that is free, or a clear word that a given one is not."""

import fcntl
import os
import secrets
import socket
import tempfile
import threading
from functools import cache
from pathlib import Path
from time import monotonic, sleep
from typing import IO

from hookstream.embedded.child import EmbeddedError

HOST = "127.0.0.1"
FIRST, LAST = 20_000, 32_000
"""Below where systems take the ports of outgoing connections, which could take ours first."""
_TRIES = 1_000
_POLL_S = 0.05
_choosing = threading.Lock()
_given: set[int] = set()
"""Ports that this process was given: the locks do not tell it from itself."""


def free_port() -> int:
    """A port that nobody listens on, and nobody else who asks here is given while we live."""
    return free_run(1)[0]


def free_run(length: int) -> range:
    """So many ports in a row, as free as that."""
    for _ in range(_TRIES):
        first = FIRST + secrets.randbelow(LAST - FIRST - length)
        ports = range(first, first + length)
        try:
            for port in ports:
                require_free(port, "another")
        except EmbeddedError:
            continue
        if _reserved(ports):
            return ports
    raise EmbeddedError(f"no {length} ports in a row are free between {FIRST} and {LAST}")


def _reserved(ports: range) -> bool:
    """Between the choice of a port and the start of who listens on it lie seconds: meanwhile the
    ports are locked, as bytes of a file that all processes of this user share."""
    with _choosing:
        if not _given.isdisjoint(ports):
            return False
        try:
            fcntl.lockf(_file(), fcntl.LOCK_EX | fcntl.LOCK_NB, len(ports), ports[0])
        except OSError:
            return False
        _given.update(ports)
        return True


@cache
def _file() -> IO[bytes]:
    path = Path(tempfile.gettempdir()) / f"hookstream-ports-{os.getuid()}"
    return path.open("ab")


def require_free(port: int, setting: str) -> int:
    """The port, if one can listen on it; EmbeddedError naming port and setting if not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise EmbeddedError(
                f"port {port} on {HOST} cannot be used ({error.strerror}): "
                f"choose another with {setting}, or end what listens there"
            ) from error
    return port


def listens(port: int) -> bool:
    """Whether somebody takes connections on this port now."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def until_listening(port: int, who: str, within_s: float) -> None:
    """Return once somebody does. EmbeddedError, which names `who`, after `within_s`."""
    deadline = monotonic() + within_s
    while not listens(port):
        if monotonic() > deadline:
            raise EmbeddedError(f"{who} did not start on port {port}")
        sleep(_POLL_S)
