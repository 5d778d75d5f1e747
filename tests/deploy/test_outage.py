"""A broker outage restarts nothing, a stop is a stop, and no service writes a file."""

import re
import resource
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from threading import Thread
from typing import NamedTuple

import pytest

from hookstream.embedded.ports import HOST, free_port
from services.cli.brokers import without_ours
from services.cli.settings import SERVICES
from tests.deploy.rendered import container, ours
from tests.fixtures.kafka import run_in_thread, wait_until

WITHIN_S = 60
NOWHERE = f"{HOST}:1"
REFUSED = re.compile("File too large|Errno 27|Read-only|Permission denied")


class Started(NamedTuple):
    """One service without Kafka and PostgreSQL."""

    process: "subprocess.Popen[str]"
    port: int
    said: list[str]
    """Its lines so far, read by a thread: a pipe that is full would hold the service up."""
    reading: Thread

    def lives(self, service: str) -> bool:
        return self.asked("liveness", service) == 200

    def asked(self, probe: str, service: str) -> int:
        """What a probe of the manifests is answered; 0: nothing."""
        path = container(ours("production")[service])[f"{probe}Probe"]["httpGet"]["path"]
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


@pytest.fixture(scope="module")
def services() -> Iterator[dict[str, Started]]:
    """All of them, started together; killed in the end, whatever comes."""
    with ExitStack() as stack:
        found = {name: _start(stack, name) for name in SERVICES}
        for name, service in found.items():
            wait_until(partial(service.lives, name), WITHIN_S)
        yield found


def _start(stack: ExitStack, name: str) -> Started:
    port = free_port()
    env = without_ours() | {
        "HOOKSTREAM_PROCESS_HEALTH_PORT": str(port),
        "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS": NOWHERE,
        "HOOKSTREAM_POSTGRES_DSN": f"postgresql://nobody@{NOWHERE}/none",
        "HOOKSTREAM_SEAL_KEYS": "00112233445566778899aabbccddeeff" * 2,
        "HOOKSTREAM_INGEST_PORT": str(free_port()),
        "HOOKSTREAM_CONSOLE_PORT": str(free_port()),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "services.cli.main", name],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_no_file_may_grow,
    )
    said: list[str] = []
    reading = run_in_thread(lambda: said.extend(process.stdout or ()))
    stack.callback(process.wait, 10)
    stack.callback(process.kill)
    return Started(process, port, said, reading)


def _no_file_may_grow() -> None:
    """As on a read-only root: writing to any file fails; pipes and sockets are none."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.parametrize("name", SERVICES)
def test_without_a_broker_a_service_is_not_ready_and_is_not_restarted(
    services: dict[str, Started], name: str
) -> None:
    """Also one that is only starting: the probe at startup asks whether it lives, no more."""
    service = services[name]
    wanted = {"startup": 200, "liveness": 200, "readiness": 503}
    wait_until(lambda: {probe: service.asked(probe, name) for probe in wanted} == wanted, WITHIN_S)
    assert service.process.poll() is None


def test_all_stop_when_they_are_asked_and_none_has_tried_to_write_a_file(
    services: dict[str, Started],
) -> None:
    for service in services.values():
        service.process.send_signal(signal.SIGTERM)
    ended = {name: service.process.wait(60) for name, service in services.items()}
    assert ended == dict.fromkeys(SERVICES, 0)
    for service in services.values():
        service.reading.join(20)
        assert [line for line in service.said if REFUSED.search(line)] == []
    assert "stopping" in "".join(services["router"].said)
