"""All sending is stopped at once, and started again: nothing is lost, nothing is sent twice."""

import os
import subprocess
import sys
import urllib.request

from hookstream.stream.settings import KafkaSettings
from tests.deliverer.test_once import all_done, deliver, delivery, webhook
from tests.fixtures.kafka import put, wait_until
from tests.fixtures.receiver import Receiver
from tests.started import KILLED, Running, together

WITHIN_S = 60
DELIVERER = {"SEAL_KEYS": "00" * 32, "EGRESS_ALLOW": "127.0.0.0/8"}


def sending(kafka: KafkaSettings, *arguments: str) -> str:
    """`hookstream sending …`, as people run it."""
    values = {
        "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "HOOKSTREAM_KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
        "HOOKSTREAM_KAFKA_GROUP_PREFIX": kafka.group_prefix,
    }
    command = [sys.executable, "-m", "services.cli.main", "sending", *arguments]
    environ = os.environ | values
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stopped(service: Running) -> bool:
    """What its metrics say."""
    with urllib.request.urlopen(f"{service.health}/metrics", timeout=60) as page:
        lines = page.read().decode().splitlines()
    found = [line for line in lines if line.startswith("hookstream_sending_stopped")]
    return bool(found) and found[0].endswith(" 1.0")


def test_all_sending_stops_at_once_and_goes_on_where_it_stopped(
    kafka: KafkaSettings, receiver: Receiver
) -> None:
    hooks = [webhook(receiver, f"/w{number}") for number in range(300)]  # of one lane
    deliveries = [delivery(hook, number) for number, hook in enumerate(hooks)]
    put(kafka, *hooks)
    killed = DELIVERER | KILLED
    with together(kafka, {"deliverer": killed}) as first:
        deliver(kafka, *deliveries[:5])
        wait_until(lambda: all_done(kafka, hooks[0], 5), WITHIN_S)
        assert "not stopped" in sending(kafka, "status")
        sending(kafka, "stop", "--reason", "a receiver's wish")
        wait_until(
            lambda: "a receiver's wish" in first["deliverer"].notes().get("sending", ""), WITHIN_S
        )
        assert stopped(first["deliverer"])
        wait_until(first["deliverer"].is_ready, WITHIN_S)
        deliver(kafka, *deliveries[5:200])
        assert "stopped since" in sending(kafka, "status")
    # Another process takes over, and obeys from its first record on.
    with together(kafka, {"deliverer": DELIVERER}) as second:
        wait_until(lambda: "sending" in second["deliverer"].notes(), WITHIN_S)
        wait_until(second["deliverer"].is_ready, WITHIN_S)
        deliver(kafka, *deliveries[200:])
        assert "a receiver's wish" in sending(kafka, "status")
        assert len(receiver.got) == 5
        sending(kafka, "start")
        wait_until(lambda: all_done(kafka, hooks[0], 300), WITHIN_S)
        assert not stopped(second["deliverer"])
        assert second["deliverer"].notes() == {}
    assert sorted(receiver.ids()) == sorted(f"evt_{number}" for number in range(300))
