"""Nothing lost, nothing doubled: the fault points of the protocol, on real Kafka (once.md).

Each test starts a deliverer as a process of its own, breaks it at one point, starts another, and
compares what the receiver saw with what the log says.
"""

import functools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from msgspec import structs

from hookstream.model.ids import delivery_id, payload_hash
from hookstream.model.policy import Policy, Schedule, Signature
from hookstream.model.records import Delivery, Event, Outcome, Webhook
from hookstream.stream.admin import admin_client
from hookstream.stream.codec import Codec
from hookstream.stream.deliveries import partition_of_lane, produce_delivery
from hookstream.stream.groups import committed
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import DELIVERIES, OUTCOMES, RETRY
from hookstream.stream.writer import Writer
from tests.fixtures.kafka import PARTITIONS, Seen, put, read_all, wait_until
from tests.fixtures.receiver import Answer, Got, Receiver
from tests.started import KILLED, KILLED_MS, SESSION_MS, started

WITHIN_S = 60
Start = Callable[..., "subprocess.Popen[bytes]"]


def webhook(receiver: Receiver, path: str = "/w") -> Webhook:
    policy = Policy(
        id="quick",
        name="quick",
        schedule=Schedule(kind="fixed", delays_ms=(60_000,), max_requests=5),
        signature=Signature(scheme="none"),
        deadline_ms=600_000,
    )
    return Webhook(
        id="wh" + path[1:],
        workspace="ws",
        version=1,
        name=path[1:],
        state="active",
        url=receiver.url + path,
        lane="lane",
        policy=policy,
    )


def delivery(hook: Webhook, number: int, data: bytes = b'{"n":1}') -> Delivery:
    event = Event(workspace="ws", id=f"evt_{number}", type="a.b", created_at_ms=0, data=data)
    return Delivery(
        id=delivery_id(hook.id, event.id),
        turn=1,
        webhook=hook.id,
        webhook_version=1,
        lane=hook.lane,
        event=event,
        due_at_ms=1,
        give_up_at_ms=2**42,
        logged_at_ms=1_700_000_000_000,
    )


def deliver(kafka: KafkaSettings, *deliveries: Delivery) -> None:
    """Put deliveries on their lane, as the router does."""
    writer = Writer(kafka, "tests", on_fatal=print)
    acked: list[int] = []
    for d in deliveries:
        produce_delivery(
            writer, Codec(), d, payload_hash(d.event), None, PARTITIONS,
            lambda ack: acked.append(ack.offset),
        )  # fmt: skip
    assert writer.close()
    assert len(acked) == len(deliveries)


@pytest.fixture
def start(kafka: KafkaSettings) -> Iterator[Start]:
    """Starts a deliverer; all are ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(die_at: str = "", session_ms: int = SESSION_MS) -> "subprocess.Popen[bytes]":
        environ = os.environ | {
            "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "HOOKSTREAM_KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
            "HOOKSTREAM_KAFKA_GROUP_PREFIX": kafka.group_prefix,
            "HOOKSTREAM_KAFKA_SESSION_TIMEOUT_MS": str(session_ms),
            "HOOKSTREAM_SEAL_KEYS": "00" * 32,
            "HOOKSTREAM_EGRESS_ALLOW": "127.0.0.0/8",
            "DIE_AT": die_at,
        }
        command = [sys.executable, "-m", "tests.run_service", "deliverer"]
        started.append(subprocess.Popen(command, env=environ))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.wait()


def outcomes(kafka: KafkaSettings, result: str | None = None) -> list[Outcome]:
    found = [s.value for s in read_all(kafka, OUTCOMES)]
    return [o for o in found if isinstance(o, Outcome) and result in (None, o.result)]


def all_done(kafka: KafkaSettings, hook: Webhook, count: int) -> bool:
    """Whether the group has committed `count` deliveries of this lane, with nothing left open."""
    at = committed(kafka, "deliverer", DELIVERIES, PARTITIONS)[
        partition_of_lane(hook.lane.encode(), PARTITIONS)
    ]
    return at is not None and at.offset == count and not at.done


def ids(some: list[Outcome]) -> set[str]:
    return {outcome.event for outcome in some}


def successors(kafka: KafkaSettings) -> list[Seen]:
    return read_all(kafka, RETRY)


def test_a_delivery_is_sent_once_and_its_offset_is_committed(
    kafka: KafkaSettings, receiver: Receiver, start: Start
) -> None:
    hooks = [webhook(receiver, f"/w{n}") for n in range(50)]
    put(kafka, *hooks)
    deliver(kafka, *(delivery(hook, n) for n, hook in enumerate(hooks)))
    start()
    wait_until(lambda: all_done(kafka, hooks[0], 50), WITHIN_S)
    assert Counter(receiver.ids()) == Counter(f"evt_{n}" for n in range(50))
    assert [o.result for o in outcomes(kafka)] == ["succeeded"] * 50


@pytest.mark.parametrize("step", ["outcome acknowledged", "successor acknowledged"])
def test_killed_between_two_steps_nothing_is_sent_again_and_the_chain_goes_on(
    kafka: KafkaSettings, receiver: Receiver, start: Start, step: str
) -> None:
    receiver.rule = lambda _, __: (500, {})
    hook = webhook(receiver)
    put(kafka, hook)
    deliver(kafka, delivery(hook, 1))
    assert start(f"{step}:1", KILLED_MS).wait(WITHIN_S) == -signal.SIGKILL
    start()
    wait_until(lambda: all_done(kafka, hook, 1), WITHIN_S)
    assert receiver.ids() == ["evt_1"]
    assert [(o.turn, o.result) for o in outcomes(kafka)] == [(1, "retrying")]
    twins = successors(kafka)
    assert len(twins) == (1 if step == "outcome acknowledged" else 2)
    assert {t.raw for t in twins} == {twins[0].raw}
    following = twins[0].value
    assert isinstance(following, Delivery)
    assert (following.turn, len(following.attempts), following.reason) == (2, 1, "http_500")
    assert following.due_at_ms == outcomes(kafka)[0].next_due_at_ms


def test_two_crashes_in_a_row_behind_one_hung_record_repeat_only_the_hung_one(
    kafka: KafkaSettings, receiver: Receiver, start: Start
) -> None:
    """What finished behind a slow record stays finished, however often the owner dies."""

    def rule(got: Got, _: int) -> Answer | None:
        return None if got.id == "evt_0" and not receiver.released.is_set() else (200, {})

    receiver.rule = rule
    hung = webhook(receiver, "/hung")
    good = [webhook(receiver, f"/good{n}") for n in range(1, 200)]
    put(kafka, hung, *good)
    deliver(kafka, delivery(hung, 0), *(delivery(g, n) for n, g in enumerate(good, 1)))
    for crash in (1, 2):
        process = start(session_ms=KILLED_MS)
        wait_until(lambda: len(set(receiver.ids())) == 200, WITHIN_S)
        wait_until(functools.partial(_was_asked, receiver, "/hung", crash), WITHIN_S)
        wait_until(lambda: len(outcomes(kafka, "succeeded")) == 199, WITHIN_S)
        process.kill()
        process.wait()
    receiver.released.set()
    start()
    wait_until(lambda: all_done(kafka, hung, 200), WITHIN_S)
    assert Counter(receiver.ids()) == Counter(f"evt_{n}" for n in range(1, 200)) + Counter(evt_0=3)


def test_stopped_for_a_moment_it_goes_on_as_if_nothing_had_been(
    kafka: KafkaSettings, receiver: Receiver, start: Start
) -> None:
    receiver.rule = lambda _, __: (200, {}) if receiver.released.is_set() else None
    hook = webhook(receiver)
    put(kafka, hook)
    deliver(kafka, delivery(hook, 1))
    process = start(session_ms=2 * SESSION_MS)
    wait_until(lambda: receiver.got, WITHIN_S)
    _stop_for(process, 4.0, receiver.released.set)
    wait_until(lambda: all_done(kafka, hook, 1), WITHIN_S)
    assert receiver.ids() == ["evt_1"]
    assert [o.result for o in outcomes(kafka)] == ["succeeded"]


def test_stopped_till_another_took_over_what_it_had_open_is_superseded(
    kafka: KafkaSettings, receiver: Receiver, start: Start
) -> None:
    """The late answer of the one that stood still must not settle what is another's by now, and
    what it had not begun is not begun: another has sent it."""
    stopped: list[int] = []

    def rule(_: Got, __: int) -> Answer | None:
        return (200, {}) if stopped else None

    receiver.rule = rule
    hook = webhook(receiver)
    put(kafka, hook)
    deliver(kafka, *(delivery(hook, number) for number in range(6)))
    process = start(session_ms=KILLED_MS)
    wait_until(lambda: receiver.got, WITHIN_S)
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)  # what it has sent arrives
    stopped.append(process.pid)
    open_then = set(receiver.ids())
    assert len(open_then) < 6
    start()
    wait_until(lambda: open_then <= ids(outcomes(kafka, "succeeded")), WITHIN_S)
    wait_until(lambda: all_done(kafka, hook, 6), WITHIN_S)
    sent = len(receiver.got)
    receiver.released.set()
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: open_then <= ids(outcomes(kafka, "superseded")), WITHIN_S)
    wait_until(lambda: all_done(kafka, hook, 6), WITHIN_S)
    assert len(receiver.got) == sent
    assert max(Counter(receiver.ids()).values()) == 2
    succeeded = [outcome.event for outcome in outcomes(kafka, "succeeded")]
    assert len(succeeded) == len(set(succeeded))


def test_a_group_whose_offsets_are_gone_sends_nothing(
    kafka: KafkaSettings, receiver: Receiver, start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    """Otherwise a week of deliveries would be sent again."""
    hook = webhook(receiver)
    put(kafka, hook)
    deliver(kafka, delivery(hook, 1))
    process = start()
    wait_until(lambda: all_done(kafka, hook, 1), WITHIN_S)
    process.terminate()
    assert process.wait(WITHIN_S) == 0
    admin = admin_client(kafka)
    group = f"{kafka.group_prefix}deliverer"
    for deleted in admin.delete_consumer_groups([group], request_timeout=30).values():
        deleted.result(WITHIN_S)
    start()
    wait_until(lambda: "hookstream offsets" in capfd.readouterr().out, WITHIN_S)
    assert receiver.ids() == ["evt_1"]


def test_the_same_event_twice_is_the_same_delivery(
    kafka: KafkaSettings, receiver: Receiver, start: Start
) -> None:
    hook = webhook(receiver)
    put(kafka, hook)
    deliver(kafka, delivery(hook, 1), delivery(hook, 1), delivery(hook, 1))
    process = start()
    wait_until(lambda: all_done(kafka, hook, 3), WITHIN_S)
    process.terminate()
    process.wait(WITHIN_S)
    deliver(kafka, delivery(hook, 1))
    start()
    wait_until(lambda: all_done(kafka, hook, 4), WITHIN_S)
    assert receiver.ids() == ["evt_1"]
    assert len(outcomes(kafka)) == 1


def test_an_event_id_that_comes_again_with_another_payload_is_not_sent(
    kafka: KafkaSettings, receiver: Receiver, start: Start
) -> None:
    hook = webhook(receiver)
    put(kafka, hook)
    deliver(kafka, delivery(hook, 1), delivery(hook, 1, b'{"n":2}'))
    start()
    wait_until(lambda: all_done(kafka, hook, 2), WITHIN_S)
    assert [g.body for g in receiver.got if b'"n":2' in g.body] == []
    assert sorted(o.result for o in outcomes(kafka)) == ["conflict", "succeeded"]


def _was_asked(receiver: Receiver, path: str, times: int) -> bool:
    return len(receiver.ids(path)) == times


def _stop_for(
    process: "subprocess.Popen[bytes]", seconds: float, meanwhile: Callable[[], None]
) -> None:
    process.send_signal(signal.SIGSTOP)
    meanwhile()
    time.sleep(seconds)  # how long it stands still is what is tested
    process.send_signal(signal.SIGCONT)


def test_retry_killed_while_receivers_hang_its_twins_are_not_sent(
    kafka: KafkaSettings, receiver: Receiver, start: Start
) -> None:
    """What it had released and not committed is released again, to a turn that is open."""
    released = receiver.released

    def rule(_: Got, before: int) -> Answer | None:
        return (500, {}) if before == 0 else (200, {}) if released.is_set() else None

    receiver.rule = rule
    hooks = [_soon_again(webhook(receiver, f"/w{n}")) for n in range(40)]
    put(kafka, *hooks)
    deliver(kafka, *(delivery(hook, n) for n, hook in enumerate(hooks)))
    start()
    with started(kafka, "retry", **KILLED) as retry:
        wait_until(lambda: len(receiver.got) > len(hooks), WITHIN_S)
        retry.kill()
        retry.wait()
    with started(kafka, "retry"):
        wait_until(lambda: len(receiver.got) == 2 * len(hooks), WITHIN_S)
        wait_until(lambda: not _unreleased(kafka), WITHIN_S)
        released.set()
        wait_until(lambda: len(outcomes(kafka, "succeeded")) == len(hooks), WITHIN_S)
        wait_until(lambda: all_done(kafka, hooks[0], len(read_all(kafka, DELIVERIES))), WITHIN_S)
    assert set(Counter(receiver.ids()).values()) == {2}
    assert len(outcomes(kafka)) == 2 * len(hooks)


def _soon_again(hook: Webhook) -> Webhook:
    schedule = Schedule(kind="fixed", delays_ms=(1_500,), max_requests=5)
    return structs.replace(hook, policy=structs.replace(hook.policy, schedule=schedule))


def _unreleased(kafka: KafkaSettings) -> bool:
    """Whether retry has anything left that it has not committed as moved."""
    at = committed(kafka, "retry", RETRY, PARTITIONS)
    ends = Counter(seen.partition for seen in read_all(kafka, RETRY))
    return any(at[p] is None or at[p].offset < end for p, end in ends.items())
