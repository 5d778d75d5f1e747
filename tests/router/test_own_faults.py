"""A fault of ours in one event is that event's: a dead letter, and no other event waits for it."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from hookstream.model.records import Event, Webhook
from hookstream.model.shards import lane_of
from hookstream.stream.codec import Codec
from hookstream.stream.dead import DeadLetters
from hookstream.stream.fault_rate import LAST
from hookstream.stream.partitioning import Partitioning
from hookstream.stream.record import Assignment, Record
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.topics import EVENTS
from hookstream.stream.window import Committed
from hookstream.stream.writer import Writer
from services.router import fan
from services.router.events_to_deliveries import Router
from services.router.settings import RouterSettings
from tests.fixtures.kafka import put, wait_until
from tests.router.test_router import OURS, deads, deliveries
from tests.unit.values import a_webhook, an_event

BAD = "bad"


class Fault(Exception):
    """What nobody expected."""


@contextmanager
def routing(kafka: KafkaSettings) -> Iterator[Router]:
    """All of a router but its loop."""
    writer, table = Writer(kafka, "tests", on_fatal=print), Table(kafka, "tests-config")
    table.catch_up(30)
    dead = DeadLetters(writer, table.codec, lambda _: None)
    yield Router(table, writer, dead, Partitioning(table, writer), RouterSettings())
    assert writer.close(60)
    table.close()


def records(events: Sequence[Event]) -> list[Record]:
    assignment = Assignment(EVENTS, 0, Committed(offset=0), deque())
    found = []
    for offset, event in enumerate(events):
        found.append(Record(assignment, offset, 1, None, {}, Codec().encode(event)))
        found[-1].value = event
    return found


def route(router: Router, events: Sequence[Event]) -> None:
    """Until all of them are done."""
    taken = records(events)
    done = taken[0].assignment.events
    router.handle(taken)

    def are_done() -> bool:
        router.turned()
        return len(done) == len(taken)

    wait_until(are_done)


def fails_if(is_bad: Callable[..., bool], real: Callable[..., Any]) -> Callable[..., Any]:
    def work(*given: Any) -> Any:
        if is_bad(*given):
            raise Fault
        return real(*given)

    return work


def test_an_event_that_meets_one_is_a_dead_letter_and_the_next_goes_on(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(kafka, OURS, a_webhook())
    bad, good = an_event(id=BAD), an_event(id="good")
    with routing(kafka) as router:
        of = fails_if(lambda event: event.id == BAD, router._subscribers.of)
        monkeypatch.setattr(router._subscribers, "of", of)
        route(router, [bad, good])
    assert [delivery.event.id for delivery in deliveries(kafka)] == ["good"]
    ((raw, dead),) = deads(kafka).items()
    assert (raw, dead.reason, dead.event) == (Codec().encode(bad), "fault", BAD)


def test_one_for_one_webhook_takes_the_event_from_no_other(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = [a_webhook(id=f"wh_{n}", name=f"w{n}") for n in range(3)]
    put(kafka, OURS, *hooks)

    def is_second(webhook: Webhook, _: Event) -> bool:
        return webhook.id == hooks[1].id

    monkeypatch.setattr(fan, "lane_of", fails_if(is_second, lane_of))
    with routing(kafka) as router:
        route(router, [an_event()])
    assert {delivery.webhook for delivery in deliveries(kafka)} == {hooks[0].id, hooks[2].id}
    (dead,) = deads(kafka).values()
    assert dead.reason == "fault"


def test_where_most_events_meet_one_it_is_raised(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before all are dead letters."""
    put(kafka, OURS, a_webhook())
    with routing(kafka) as router:
        monkeypatch.setattr(router._subscribers, "of", fails_if(lambda _: True, lambda _: ()))
        with pytest.raises(Fault):
            router.handle(records([an_event(id=f"e{n}") for n in range(LAST)]))
    assert len(deads(kafka)) == LAST // 2
