"""The embedded broker: real, found again, never left behind."""

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from hookstream.embedded.child import EmbeddedError
from hookstream.embedded.kafka import EmbeddedKafka
from tests.fixtures.kafka import wait_until


def quiet(_: object) -> None:
    """The broker of this client goes away on purpose."""


def client(kafka: EmbeddedKafka) -> AdminClient:
    quietly: dict[str, Any] = {"log_level": 0, "error_cb": quiet}
    return AdminClient({"bootstrap.servers": kafka.bootstrap_servers, **quietly})


def topics(kafka: EmbeddedKafka) -> set[str]:
    return set(client(kafka).list_topics(timeout=30).topics)


def test_it_starts_serves_stops_and_finds_its_topics_again(folder: Path) -> None:
    kafka = EmbeddedKafka(folder)
    with kafka:
        pid = kafka.pid
        assert kafka.pids() == [pid]
        assert kafka.bootstrap_servers.startswith("127.0.0.1:")
        admin = client(kafka)
        admin.create_topics([NewTopic("orders", 2, 1)])["orders"].result(timeout=60)
        wait_until(lambda: "orders" in topics(kafka))  # the controller knows it before the broker
    assert not psutil.pid_exists(pid)
    assert kafka.pids() == []
    with kafka:
        assert "orders" in topics(kafka)


def test_it_has_its_own_session_refuses_a_second_owner_and_starts_after_a_kill(
    folder: Path,
) -> None:
    with EmbeddedKafka(folder, settings={"broker.session.timeout.ms": "2000"}) as kafka:
        assert os.getsid(kafka.pid) == kafka.pid != os.getsid(0)
        with pytest.raises(EmbeddedError, match=f"in use by process {os.getpid()}"):
            EmbeddedKafka(folder).start()
        os.kill(kafka.pid, signal.SIGKILL)
        psutil.Process(kafka.pid).wait(10)
        kafka.stop()
        kafka.start()
        assert topics(kafka) == set()


def test_the_next_start_ends_what_a_killed_owner_left(
    folder: Path, abandon: Callable[..., int]
) -> None:
    left = abandon(EmbeddedKafka, folder)
    assert psutil.pid_exists(left)
    with EmbeddedKafka(folder) as kafka:
        assert not psutil.pid_exists(left)
        assert kafka.pid != left


def test_a_port_in_use_is_named_with_the_setting_that_changes_it(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        kafka = EmbeddedKafka(folder, port=port, port_setting="HOOKSTREAM_UP_KAFKA_PORT")
        with pytest.raises(EmbeddedError, match=f"port {port} .*HOOKSTREAM_UP_KAFKA_PORT"):
            kafka.start()


def test_a_broker_that_cannot_start_says_why(folder: Path) -> None:
    kafka = EmbeddedKafka(folder, settings={"log.segment.bytes": "plenty"})
    with pytest.raises(EmbeddedError, match="plenty"):
        kafka.start()
    assert kafka.pids() == []
