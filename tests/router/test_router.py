"""The router on real Kafka: what comes straight into the events topic, and what becomes of it."""

import itertools
import signal
import subprocess
from collections import Counter
from typing import Any

import msgspec

from hookstream.model.ids import delivery_id, payload_hash
from hookstream.model.records import Dead, Delivery, Event, Webhook, Workspace
from hookstream.model.schedule import give_up_at_ms
from hookstream.stream.codec import Codec
from hookstream.stream.deliveries import partition_of_lane
from hookstream.stream.groups import committed
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import DEAD, DELIVERIES, EVENTS, partition_of
from hookstream.stream.writer import Headers, Writer
from tests.fixtures.kafka import PARTITIONS, Seen, produce, put, read_all, wait_until
from tests.started import KILLED, started
from tests.system.bad_events import BAD, CONFIG, GOOD
from tests.unit.values import a_webhook, an_event

WITHIN_S = 90
AHEAD = 10
OURS = Workspace(id="ws_1", version=1, name="Ours")


def send(kafka: KafkaSettings, *events: Event) -> None:
    """Produce events as any Kafka client may."""
    codec = Codec()
    produce(kafka, EVENTS, *((event.id, codec.encode(event)) for event in events))


def deliveries(kafka: KafkaSettings) -> list[Delivery]:
    return [seen.value for seen in read_all(kafka, DELIVERIES) if isinstance(seen.value, Delivery)]


def deads(kafka: KafkaSettings) -> dict[bytes, Dead]:
    """What is on the dead topic, by the bytes that were refused."""
    found = [seen.value for seen in read_all(kafka, DEAD)]
    return {dead.raw: dead for dead in found if isinstance(dead, Dead)}


def is_committed(kafka: KafkaSettings) -> bool:
    """Whether the router has nothing left open."""
    ends = Counter(seen.partition for seen in read_all(kafka, EVENTS))
    at = committed(kafka, "router", EVENTS, PARTITIONS)
    return all(at[p] and at[p].offset == count for p, count in ends.items())


def test_a_delivery_carries_all_that_its_next_step_needs(kafka: KafkaSettings) -> None:
    hook, event = a_webhook(lane="int_1"), an_event()
    put(kafka, OURS, hook)
    trace = b"00-" + b"a1" * 16 + b"-" + b"b2" * 8 + b"-01"
    with started(kafka, "router"):
        put_event(kafka, event, [("traceparent", trace)])
        wait_until(lambda: deliveries(kafka), WITHIN_S)
    sent, seen = read_all(kafka, EVENTS)[0], read_all(kafka, DELIVERIES)[0]
    assert seen.value == Delivery(
        id=delivery_id(hook.id, event.id),
        turn=1,
        webhook=hook.id,
        webhook_version=hook.version,
        lane="int_1",
        event=event,
        due_at_ms=sent.timestamp_ms,
        give_up_at_ms=give_up_at_ms(hook.policy, sent.timestamp_ms),
        logged_at_ms=sent.timestamp_ms,
    )
    assert (seen.key, seen.partition) == (b"int_1", partition_of_lane(b"int_1", PARTITIONS))
    passed_on = seen.headers.pop("traceparent")
    assert passed_on[:36] == trace[:36], "the same trace"
    assert passed_on[36:52] != trace[36:52], "a step of its own in it"
    assert seen.headers == {
        "delivery": delivery_id(hook.id, event.id).encode(),
        "turn": b"1",
        "due": b"%d" % sent.timestamp_ms,
        "lane": b"int_1",
        "hash": payload_hash(event).encode(),
    }


def _key_into(partition: int) -> str:
    """A key whose records stand in this partition."""
    keys = map(str, itertools.count())
    return next(key for key in keys if partition_of(key.encode(), PARTITIONS) == partition)


def put_event(kafka: KafkaSettings, event: Event, headers: Headers) -> None:
    """Produce one event with headers."""
    writer = Writer(kafka, "tests", on_fatal=print)
    writer.produce(EVENTS, Codec().encode(event), lambda _: None, key=event.id, headers=headers)
    assert writer.close()


def test_each_bad_event_is_dead_with_the_refusal_and_the_partition_goes_on(
    kafka: KafkaSettings,
) -> None:
    codec, hook = Codec(), a_webhook(workspace="strict")
    put(kafka, *CONFIG, hook)
    stray = codec.encode(OURS)
    with started(kafka, "router"):
        send(kafka, *(bad.event for bad in BAD))
        produce(kafka, EVENTS, ("x", b"no record"), ("x", stray), ("x", None))
        used = {seen.partition for seen in read_all(kafka, EVENTS)}
        last = [(_key_into(partition), codec.encode(GOOD)) for partition in used]
        produce(kafka, EVENTS, *last)
        wait_until(lambda: len(deads(kafka)) == len(BAD) + 3, WITHIN_S)
        wait_until(lambda: is_committed(kafka), WITHIN_S)
    found = deads(kafka)
    told = {bad.name: found[codec.encode(bad.event)].reason for bad in BAD}
    assert told == {bad.name: bad.code for bad in BAD}
    assert all(bad.field in found[codec.encode(bad.event)].detail for bad in BAD)
    assert found[stray].reason == "not_an_event"
    assert found[b"no record"].reason == found[b""].reason == "undecodable"
    assert [d.event for d in deliveries(kafka)] == [GOOD] * len(last)


def test_an_event_sent_right_after_its_webhook_is_matched(kafka: KafkaSettings) -> None:
    put(kafka, OURS)
    with started(kafka, "router"):
        for number in range(50):
            put(kafka, a_webhook(id=f"wh_{number}", lane="l", events=(f"made.n{number}",)))
            send(kafka, an_event(id=f"evt_{number}", type=f"made.n{number}"))
        wait_until(lambda: len(deliveries(kafka)) == 50, WITHIN_S)
    assert {(d.webhook, d.event.id) for d in deliveries(kafka)} == {
        (f"wh_{number}", f"evt_{number}") for number in range(50)
    }


def test_only_webhooks_that_asked_get_it_and_nobody_is_no_failure(kafka: KafkaSettings) -> None:
    states: list[Any] = ["active", "paused", "disabled", "unverified", "deleted"]
    hooks = [a_webhook(id=state, name=state, lane=state, state=state) for state in states]
    other = a_webhook(id="other", name="other", lane="other", events=("order.*",))
    stranger = a_webhook(id="stranger", workspace="ws_2", lane="stranger")
    again = a_webhook(id="again", name="deleted", lane="again", events=())
    put(kafka, OURS, *hooks, other, stranger, again)
    with started(kafka, "router"):
        send(kafka, an_event(), an_event(id="evt_2", workspace="ws_1", webhook="Deleted"))
        wait_until(lambda: len(deliveries(kafka)) == 4, WITHIN_S)
        put(kafka, *(msgspec.structs.replace(h, state="deleted") for h in [*hooks, other]))
        send(kafka, an_event(id="evt_3"))
        wait_until(lambda: is_committed(kafka), WITHIN_S)
    assert {(d.webhook, d.event.id) for d in deliveries(kafka)} == {
        ("active", "evt_1"),
        ("paused", "evt_1"),
        ("disabled", "evt_1"),
        ("again", "evt_2"),
    }
    assert read_all(kafka, DEAD) == []


def many(count: int) -> list[Webhook]:
    return [a_webhook(id=f"wh_{n}", name=f"n{n}", lane=f"lane_{n}") for n in range(count)]


def test_an_event_for_thousands_is_produced_bit_by_bit_and_others_follow(
    kafka: KafkaSettings,
) -> None:
    hooks = many(3_000)
    put(kafka, OURS, *hooks)
    with started(kafka, "router", ROUTER_AHEAD="100"):
        send(kafka, *(an_event(id=f"evt_{n}") for n in range(2)))
        wait_until(lambda: is_committed(kafka), WITHIN_S)
    routed = Counter((d.webhook, d.event.id) for d in deliveries(kafka))
    assert routed == Counter((hook.id, f"evt_{n}") for hook in hooks for n in range(2))


def test_killed_in_the_middle_of_an_event_the_next_one_makes_the_same_deliveries(
    kafka: KafkaSettings,
) -> None:
    hooks = many(3_000)
    put(kafka, OURS, *hooks)
    killed = {"ROUTER_AHEAD": str(AHEAD), **KILLED}
    with started(kafka, "router", **killed) as router:
        tried = (n for n in range(1, 20) if stopped_within(kafka, router, n, len(hooks)))
        sent = next(tried, 0)
        assert sent, "it routes an event at once, or nothing"
        router.send_signal(signal.SIGKILL)
        router.wait(60)
    with started(kafka, "router"):
        wait_until(lambda: is_committed(kafka), WITHIN_S)
    bytes_by_id: dict[bytes, set[bytes | None]] = {}
    for seen in read_all(kafka, DELIVERIES):
        bytes_by_id.setdefault(seen.headers["delivery"], set()).add(seen.raw)
    events = [f"evt_{n}" for n in range(1, sent + 1)]
    assert set(bytes_by_id) == {
        delivery_id(h.id, event).encode() for h in hooks for event in events
    }
    assert all(len(copies) == 1 for copies in bytes_by_id.values())


def stopped_within(
    kafka: KafkaSettings, router: "subprocess.Popen[bytes]", number: int, count: int
) -> bool:
    """Send the event of this number; whether the router now stands still in the middle of it. On a
    busy machine the whole of it may be routed before that is seen: then it goes on."""
    send(kafka, an_event(id=f"evt_{number}"))
    a_third = (number - 1) * count + count // 3
    wait_until(lambda: count_of(kafka) > a_third, WITHIN_S)
    router.send_signal(signal.SIGSTOP)
    if count_of(kafka) + AHEAD < number * count:
        return True
    router.send_signal(signal.SIGCONT)
    return False


def count_of(kafka: KafkaSettings) -> int:
    found: list[Seen] = read_all(kafka, DELIVERIES)
    return len(found)
