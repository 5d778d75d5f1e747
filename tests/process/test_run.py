"""Start and stop: exit codes, signals, and an end that comes whatever hangs."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Any

import pytest

from hookstream.embedded.ports import free_port

SERVICE = """
import asyncio, time, logging
from opentelemetry.metrics import get_meter
from hookstream.process.run import run, in_thread, Context

async def polite(stop, context):
    context.health.started()
    logging.getLogger("test").info("up")
    await stop.wait()
    logging.getLogger("test").info("drained")

async def hanging(stop, context):
    get_meter("test").create_counter("hookstream.test.runs").add(1)
    logging.getLogger("test").info("up")
    await asyncio.sleep(0.1)
    time.sleep(600)  # the loop itself hangs: no callback will ever run

async def deaf(stop, context):
    logging.getLogger("test").info("up")
    await asyncio.Event().wait()

async def failing(stop, context):
    await in_thread("worker", lambda: 1 / 0)

async def finished(stop, context):
    assert await in_thread("worker", lambda: 7) == 7

run("test", {main}, known=[])
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a service with one of the mains above; it does not outlive the test."""
    running: list[subprocess.Popen[str]] = []

    def begin(main: str, **settings: str) -> subprocess.Popen[str]:
        values = {f"HOOKSTREAM_{name}": value for name, value in settings.items()}
        process = subprocess.Popen(
            [sys.executable, "-c", SERVICE.replace("{main}", main)],
            env={**os.environ, **values},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def wait_for_line(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_and_the_service_ends_in_its_own_time(
    start: Start, number: signal.Signals
) -> None:
    process = start("polite")
    assert wait_for_line(process)["message"] == "up"
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    said = [json.loads(line)["message"] for line in output.splitlines()]
    assert (process.returncode, said, errors) == (0, ["stopping", "drained"], "")


@pytest.mark.parametrize("main", ["hanging", "deaf"])
def test_a_service_that_hangs_is_ended_when_its_budget_is_over(start: Start, main: str) -> None:
    process = start(main, PROCESS_STOP_BUDGET_S="0.5")
    wait_for_line(process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "most recent call first" in errors


def test_a_second_signal_ends_it_at_once(start: Start) -> None:
    process = start("deaf", PROCESS_STOP_BUDGET_S="600")
    wait_for_line(process)
    process.send_signal(signal.SIGTERM)
    assert wait_for_line(process)["message"] == "stopping"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGINT


def test_an_unexpected_error_is_logged_and_ends_it_with_one(start: Start) -> None:
    process = start("failing")
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    (line,) = [json.loads(line) for line in output.splitlines()]
    assert line["level"] == "error"
    assert "ZeroDivisionError" in line["error"]


def test_a_service_that_is_done_ends_with_nought(start: Start) -> None:
    process = start("finished")
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (0, "", "")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"PROCESS_STOP_BUDGET_S": "soon"}, "HOOKSTREAM_PROCESS_STOP_BUDGET_S: "),
        ({"PROCES_LOG_LEVEL": "info"}, "did you mean HOOKSTREAM_PROCESS_LOG_LEVEL?"),
        ({"TELEMETRY_SAMPLE_RATIO": "2"}, "HOOKSTREAM_TELEMETRY_SAMPLE_RATIO: "),
    ],
)
def test_wrong_settings_end_it_with_two_and_the_variables_name(
    start: Start, settings: dict[str, str], said: str
) -> None:
    process = start("polite", **settings)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (2, "")
    assert said in errors
    assert "Traceback" not in errors


def test_a_health_port_in_use_is_named(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start("polite", PROCESS_HEALTH_PORT=str(port))
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert f"HOOKSTREAM_PROCESS_HEALTH_PORT: 127.0.0.1:{port}" in errors


def test_health_answers_while_the_event_loop_hangs(start: Start) -> None:
    port = free_port()
    process = start("hanging", PROCESS_HEALTH_PORT=str(port))
    wait_for_line(process)
    deadline = monotonic() + 20
    while (page := fetch(f"http://127.0.0.1:{port}/healthz/live")) is None:
        assert monotonic() < deadline
        sleep(0.05)
    assert page == (200, b'{"ok": true, "reasons": {}}')
    metrics = fetch(f"http://127.0.0.1:{port}/metrics")
    assert metrics is not None
    assert b"hookstream_test_runs_total" in metrics[1]


def fetch(url: str) -> tuple[int, bytes] | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read()
    except (urllib.error.URLError, OSError):
        return None
