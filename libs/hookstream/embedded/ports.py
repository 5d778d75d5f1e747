"""Ports on 127.0.0.1: one that is free, or a clear word that a given one is not."""

import socket

from hookstream.embedded.child import EmbeddedError

HOST = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listened on a moment ago. Another process may take it first."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


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
