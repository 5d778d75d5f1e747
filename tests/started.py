"""One service as a process of its own, on a real broker."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from hookstream.embedded.ports import HOST, free_port
from hookstream.stream.settings import KafkaSettings
from tests.fixtures.kafka import wait_until

READY_S = 120
SESSION_MS = 30_000
"""So long may a starved member be silent and keep its partitions."""
KILLED_MS = 6_000
KILLED = {"KAFKA_SESSION_TIMEOUT_MS": str(KILLED_MS)}
"""Settings of a process that is killed or stopped: so soon its partitions are given to the next."""


@contextmanager
def started(
    kafka: KafkaSettings, service: str, **settings: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a service and wait till it is ready; it is killed with the block's end.

    `settings`: such as ROUTER_AHEAD, without their prefix.
    """
    with together(kafka, {service: settings}) as processes:
        yield processes[service].process


class Running(NamedTuple):
    """A service that was started."""

    process: "subprocess.Popen[bytes]"
    health: str
    """Address of its health pages."""

    def is_ready(self) -> bool:
        """Whether it says so."""
        return self.said()[0] == 200

    def said(self) -> tuple[int, dict[str, Any]]:
        """Its page of readiness."""
        try:
            with urllib.request.urlopen(f"{self.health}/healthz/ready", timeout=2) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, {}

    def notes(self) -> dict[str, str]:
        """What it wants people to know."""
        notes: dict[str, str] = self.said()[1].get("notes", {})
        return notes


@contextmanager
def together(
    kafka: KafkaSettings,
    services: Mapping[str, Mapping[str, str]],
    environ: Mapping[str, str] = os.environ,
    *,
    ready: bool = True,
) -> Iterator[dict[str, Running]]:
    """Start services side by side, each with settings of its own; by the names they are given.

    A name may go on after the service's: `router`, `router.2`. `ready`: whether to wait for that.
    """
    running: dict[str, Running] = {}
    try:
        for name, settings in services.items():
            running[name] = _spawned(kafka, name.partition(".")[0], settings, environ)
        for each in running.values() if ready else ():
            wait_until(each.is_ready, READY_S)
        yield running
    finally:
        for each in running.values():
            each.process.kill()
            each.process.wait()


def _spawned(
    kafka: KafkaSettings, service: str, settings: Mapping[str, str], environ: Mapping[str, str]
) -> Running:
    port = int(settings.get("PROCESS_HEALTH_PORT", "0")) or free_port()
    values = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
        "KAFKA_GROUP_PREFIX": kafka.group_prefix,
        "KAFKA_SESSION_TIMEOUT_MS": str(SESSION_MS),
        "PROCESS_HEALTH_PORT": str(port),
        **settings,
    }
    environ = {**environ, **{f"HOOKSTREAM_{name}": value for name, value in values.items()}}
    command = [sys.executable, "-m", "tests.run_service", service]
    return Running(subprocess.Popen(command, env=environ), f"http://{HOST}:{port}")
