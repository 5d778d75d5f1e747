"""Ports on 127.0.0.1: one that is free, or a clear word that a given one is not."""

import secrets
import socket

from hookstream.embedded.child import EmbeddedError

HOST = "127.0.0.1"


FIRST, LAST = 20_000, 32_000
"""Below where systems take the ports of outgoing connections, which could take ours first."""


def free_port() -> int:
    """A port that nobody listened on a moment ago. Another process may take it first."""
    return free_run(1)[0]


def free_run(length: int) -> range:
    """So many ports in a row, as free as that."""
    while True:
        first = FIRST + secrets.randbelow(LAST - FIRST - length)
        try:
            for port in range(first, first + length):
                require_free(port, "another")
        except EmbeddedError:
            continue
        return range(first, first + length)


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
