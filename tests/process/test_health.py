"""Health: what a keeper of processes is told, and that a hanging loop is seen."""

import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from hookstream.process.health import Health, HealthServer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock)


@pytest.fixture
def server(health: Health) -> Iterator[HealthServer]:
    serving = HealthServer(health, lambda: b"webhook_inflight 3\n", port=0)
    yield serving
    serving.close()


def get(server: HealthServer, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def reasons(server: HealthServer, path: str) -> tuple[int, dict[str, str]]:
    status, body = get(server, f"/healthz/{path}")
    answer = json.loads(body)
    assert answer["ok"] is (status == 200)
    return status, answer["reasons"]


def test_startup_and_ready_wait_for_the_start_and_name_what_is_missing(
    health: Health, server: HealthServer
) -> None:
    health.not_ready("config", "has not been read to its end")
    missing = {"start": "not finished", "config": "has not been read to its end"}
    assert reasons(server, "startup") == reasons(server, "ready") == (503, missing)
    health.started()
    assert reasons(server, "startup") == (200, {})
    assert reasons(server, "ready") == (503, {"config": "has not been read to its end"})
    health.ready("config")
    assert reasons(server, "ready") == (200, {})
    assert reasons(server, "live") == (200, {})


def test_live_means_that_every_expected_loop_moves(
    health: Health, server: HealthServer, clock: Clock
) -> None:
    health.expect("events", 5)
    health.expect("config", 60)
    clock.now = 5.0
    assert reasons(server, "live") == (200, {})
    clock.now = 6.5
    assert reasons(server, "live") == (503, {"events": "has not moved for 6.5 s"})
    health.beat("events")
    assert reasons(server, "live") == (200, {})
    clock.now = 20
    health.forget("events")
    assert reasons(server, "live") == (200, {})


def test_metrics_are_served_and_other_paths_are_not(server: HealthServer) -> None:
    assert get(server, "/metrics?x=1") == (200, b"webhook_inflight 3\n")
    assert get(server, "/secrets")[0] == 404


def test_a_client_that_says_nothing_holds_up_the_next_only_for_a_moment(
    server: HealthServer,
) -> None:
    with socket.create_connection(("127.0.0.1", server.port)):
        assert get(server, "/healthz/live")[0] == 200
