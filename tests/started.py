"""One service as a process of its own, on a real broker."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from hookstream.embedded.ports import HOST, free_port
from hookstream.stream.settings import KafkaSettings
from tests.fixtures.kafka import wait_until

READY_S = 40
SESSION_MS = 6_000
"""A killed member's partitions are given to the next after this."""


@contextmanager
def started(
    kafka: KafkaSettings, service: str, **settings: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a service and wait till it is ready; it is killed with the block's end.

    `settings`: such as ROUTER_AHEAD, without their prefix.
    """
    port = int(settings.get("PROCESS_HEALTH_PORT", "0")) or free_port()
    values = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
        "KAFKA_GROUP_PREFIX": kafka.group_prefix,
        "KAFKA_SESSION_TIMEOUT_MS": str(SESSION_MS),
        "PROCESS_HEALTH_PORT": str(port),
        **settings,
    }
    environ = os.environ | {f"HOOKSTREAM_{name}": value for name, value in values.items()}
    command = [sys.executable, "-m", "tests.run_service", service]
    with subprocess.Popen(command, env=environ) as process:
        try:
            wait_until(lambda: _is_ready(f"http://{HOST}:{port}/healthz/ready"), READY_S)
            yield process
        finally:
            process.kill()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.HTTPError, OSError):
        return False
