"""uvicorn embedded: our signals, our socket, no access log, no middleware."""

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from hookstream.process.settings import SettingsError
from services.ingest.settings import IngestSettings

BACKLOG = 2048
"""Connections that may wait to be taken up."""
_IDLE_S = 75
"""How long a connection may be kept open between requests: longer than load balancers keep it."""
_STOP_S = 12
"""What requests under way get when the process stops; Kafka answers them within ten."""


class Server(uvicorn.Server):
    """uvicorn without its signals: ours stop the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bound(settings: IngestSettings) -> socket.socket:
    """A socket with our address, which does not listen yet: not before Kafka is there."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        place = f"{settings.host}:{settings.port}"
        told = f"HOOKSTREAM_INGEST_PORT: {place} cannot be used ({error.strerror})"
        raise SettingsError([told]) from error
    return listener


def config(app: ASGIApp) -> uvicorn.Config:
    """For `Server`."""
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        loop="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=_STOP_S,
    )
