"""Ingest as a process of its own, on a real broker."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from hookstream.embedded.ports import HOST, free_port
from hookstream.stream.settings import KafkaSettings
from tests.fixtures.kafka import wait_until

SEALING = bytes(32)
"""The sealing key of every ingest that is started here."""


class Started:
    """A running ingest: where it is, and a client that has the workspace's key."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, health_port: int) -> None:
        self.process = process
        self.url = f"http://{HOST}:{port}"
        self._health = f"http://{HOST}:{health_port}/healthz/ready"

    def client(self, key: str, timeout_s: float = 20) -> httpx2.Client:
        """A client of this ingest."""
        headers = {"Authorization": f"Bearer {key}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=timeout_s)

    def health(self) -> tuple[int, str]:
        """Status and text of the readiness page; 0 while nobody answers."""
        try:
            with urllib.request.urlopen(self._health, timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""


@contextmanager
def started(kafka: KafkaSettings, ready: bool = True, **settings: str) -> Iterator[Started]:
    """Start ingest with settings such as INGEST_MAX_DATA_BYTES; it ends with the block."""
    port, health_port = free_port(), free_port()
    values = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
        "KAFKA_GROUP_PREFIX": kafka.group_prefix,
        "INGEST_PORT": str(port),
        "SEAL_KEYS": SEALING.hex(),
        "PROCESS_HEALTH_PORT": str(health_port),
        **settings,
    }
    environ = {**os.environ, **{f"HOOKSTREAM_{name}": value for name, value in values.items()}}
    command = [sys.executable, "-m", "tests.run_service", "ingest"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as process:
        try:
            running = Started(process, port, health_port)
            if ready:
                wait_until(lambda: running.health()[0] == 200, 60)
            yield running
        finally:
            process.terminate()
            try:
                process.wait(60)
            finally:
                process.kill()
