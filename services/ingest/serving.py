"""The server: a socket that listens, and the connections that come of it."""

import asyncio
import socket
from functools import partial
from time import monotonic

from hookstream.process.settings import SettingsError
from services.ingest.app import App
from services.ingest.connection import Connection
from services.ingest.request import Answers
from services.ingest.settings import IngestSettings

BACKLOG = 2048
"""Connections that may wait to be taken up."""
_STOP_S = 12.0
"""What requests under way get when the process stops; Kafka answers them within ten."""
_LOOK_S = 1.0
_ENDED_S = 0.05


class Server:
    """Takes up connections and looks after them. `within_s`: for a request to arrive."""

    def __init__(self, app: App, answers: Answers, within_s: float) -> None:
        self._answers = answers
        self._connections: set[Connection] = set()
        self._stopping = asyncio.Event()
        self._connect = partial(
            Connection, app.find, app.broken, within_s, monotonic, self._connections
        )

    async def serve(self, listener: socket.socket) -> None:
        """Until `stop`, and then until what is under way has been answered."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._connect, sock=listener, backlog=BACKLOG)
        try:
            while not self._stopping.is_set():
                await self._look()
        finally:
            server.close()
            await self._end()

    def stop(self) -> None:
        """No more requests."""
        self._stopping.set()

    async def _look(self) -> None:
        self._answers.renew()
        now = monotonic()
        for connection in list(self._connections):
            connection.look(now)
        waiting = asyncio.wait_for(self._stopping.wait(), _LOOK_S)
        await asyncio.gather(waiting, return_exceptions=True)

    async def _end(self) -> None:
        for connection in list(self._connections):
            connection.finish()
        until = monotonic() + _STOP_S
        while self._connections and monotonic() < until:
            await asyncio.sleep(_ENDED_S)
        for connection in list(self._connections):
            connection.abort()


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
