"""The demo receiver as a process of its own, and what it has recorded."""

import signal
import subprocess
import sys
import urllib.request
from typing import Self

import msgspec

from hookstream.embedded.ports import HOST, free_port, require_free, until_listening
from services.cli.receiver import Record

_START_S = 15.0


class Receiving:
    """As a context manager it is started and, whatever comes, ended. port: free if None."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its paths begin."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        require_free(self.port, "HOOKSTREAM_UP_CONSOLE_PORT")
        command = [sys.executable, "-m", "services.cli.receiver", str(self.port)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, start_new_session=True, cwd="/"
        )
        try:
            until_listening(self.port, "the demo receiver", _START_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def record(self) -> Record:
        """All requests so far, by path."""
        return msgspec.json.decode(self._get("/_record"), type=Record)

    def counts(self) -> dict[str, int]:
        """Requests answered 2xx, by path."""
        return msgspec.json.decode(self._get("/_counts"), type=dict[str, int])

    def clear(self) -> None:
        """Forget all requests."""
        self._get("/_clear")

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            found: bytes = answer.read()
            return found
