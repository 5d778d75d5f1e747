"""A console that really serves HTTP, with two workspaces, and its calls."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import uvicorn
from pydantic import SecretStr

from hookstream.model.seal import Keys
from hookstream.process.sealing import SealSettings
from hookstream.store.settings import PostgresSettings
from services.console.app import build
from services.console.context import Console
from services.console.main import open_console
from services.console.settings import ConsoleSettings

OPERATOR = "operator-key-of-these-tests-0123456789"
SEALING = "00112233445566778899aabbccddeeff" * 2


@dataclass(frozen=True)
class Side:
    """One workspace and a key of it, of each role."""

    url: str
    workspace: str
    keys: dict[str, str]

    def call(
        self, method: str, path: str, body: Any = None, role: str = "admin", **headers: str
    ) -> httpx2.Response:
        """One request, as somebody of this role."""
        return call(self.url, self.keys[role], method, path, body, **headers)

    def made(self, path: str, body: Any, role: str = "admin") -> dict[str, Any]:
        """What a POST that must succeed answered."""
        answer = self.call("POST", path, body, role)
        assert answer.status_code in (201, 202), answer.text
        found: dict[str, Any] = answer.json()
        return found


def call(
    url: str, key: str, method: str, path: str, body: Any = None, **headers: str
) -> httpx2.Response:
    """One request with this key."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if key:
        named["Authorization"] = f"Bearer {key}"
    with httpx2.Client(base_url=url, timeout=60) as client:
        return client.request(method, path, json=body, headers=named)


def side(url: str, name: str) -> Side:
    """A new workspace with its keys."""
    made = call(url, OPERATOR, "POST", "/v1/workspaces", {"id": name, "name": name})
    assert made.status_code in (201, 202), made.text
    keys = {}
    for role in ("producer", "viewer", "editor", "admin"):
        answer = call(url, OPERATOR, "POST", f"/v1/workspaces/{name}/keys", {"role": role})
        keys[role] = answer.json()["key"]
    return Side(url, name, keys)


@contextmanager
def serving(
    dsn: str, publish_wait_s: float = 0.0, wait_s: float = 5.0
) -> Iterator[tuple[str, Console]]:
    """The console on a port of its own, in a thread. `wait_s`: for a connection of its pool."""
    running = _Serving(dsn, publish_wait_s, wait_s)
    thread = threading.Thread(target=running.run, name="console")
    thread.start()
    try:
        assert running.started.wait(60), "the console did not start"
        yield running.url, running.console
    finally:
        running.stop()
        thread.join(20)


class _Serving:
    def __init__(self, dsn: str, publish_wait_s: float, wait_s: float) -> None:
        self._postgres = PostgresSettings(dsn=SecretStr(dsn), wait_s=wait_s)
        self._settings = ConsoleSettings(
            port=0, operator_key=SecretStr(OPERATOR), publish_wait_s=publish_wait_s
        )
        self.started = threading.Event()
        self.url = ""
        self.console: Console
        self._server: uvicorn.Server | None = None

    def run(self) -> None:
        asyncio.run(self._run())

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True

    async def _run(self) -> None:
        seal = SealSettings(keys=SecretStr(SEALING))
        async with open_console(self._settings, seal, self._postgres) as self.console:
            await self.console.ready.wait()
            config = uvicorn.Config(build(self.console), port=0, log_config=None, lifespan="off")
            self._server = uvicorn.Server(config)
            serving = asyncio.create_task(self._server.serve())
            while not self._server.started:
                await asyncio.sleep(0.01)
            port = self._server.servers[0].sockets[0].getsockname()[1]
            self.url = f"http://127.0.0.1:{port}"
            self.started.set()
            await serving


def sealing_keys() -> Keys:
    """The keys that the console of these tests seals with."""
    return SealSettings(keys=SecretStr(SEALING)).parsed()
