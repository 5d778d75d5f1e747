"""The receiver as a process of its own, and what it has recorded."""

import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Self

import msgspec

from bench.certificate import Certificate
from bench.sink import Record
from hookstream.embedded.ports import HOST, free_run, until_listening

_ROOT = Path(__file__).parents[1]
_START_S = 30.0
_TIMEOUT_S = 60


class Receiver:
    """As a context manager it is started and, whatever comes, ended."""

    def __init__(self, certificate: Certificate) -> None:
        self._port, self._tls_port = free_run(2)
        self.url = f"http://{HOST}:{self._port}"
        self.tls_url = f"https://{HOST}:{self._tls_port}"
        ports = [str(self._port), str(self._tls_port)]
        files = [str(certificate.cert), str(certificate.key)]
        self._command = [sys.executable, "-m", "bench.sink", *ports, *files]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, start_new_session=True, cwd=_ROOT
        )
        try:
            until_listening(self._port, "the receiver of the bench", _START_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def record(self, path: str = "/") -> Record:
        """All requests so far, by path, of paths that begin so."""
        record = msgspec.json.decode(self._get("/_record"), type=Record)
        return {target: seen for target, seen in record.items() if target.startswith(path)}

    def total(self, path: str = "/") -> int:
        """Requests so far for paths that begin so."""
        return msgspec.json.decode(self._get(f"/_total{path}"), type=int)

    def opened(self) -> int:
        """Connections so far."""
        return msgspec.json.decode(self._get("/_opened"), type=int)

    def unanswered(self) -> int:
        """Slow requests that wait for their answer now."""
        return msgspec.json.decode(self._get("/_unanswered"), type=int)

    def release(self) -> None:
        """End the connections that hang."""
        self._get("/_release")

    def clear(self) -> None:
        """Forget all requests."""
        self._get("/_clear")

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=_TIMEOUT_S) as answer:
            found: bytes = answer.read()
            return found
