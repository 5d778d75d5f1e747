"""A fault of ours in one turn is that turn's: it is put off, or has failed if it was answered, and
no other waits for it. One in what all turns share ends the process: left alone it would hold a slot
for ever, or keep all who wait for config waiting."""

import asyncio
from typing import Any, cast

import pytest

from hookstream.model.records import Delivery, Outcome, Webhook
from hookstream.stream.fault_rate import LAST
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import OUTCOMES, RETRY
from services.deliverer import deliveries_to_outcomes
from services.deliverer.deliveries_to_outcomes import Deliverer
from services.deliverer.judge import judge
from tests.deliverer.test_withheld import WITHIN_S, a_record, delivering, until
from tests.fixtures.kafka import put, read_all
from tests.fixtures.receiver import Receiver
from tests.unit.values import a_delivery, a_webhook, unsigned

BAD = "bad"


class Fault(Exception):
    """What nobody expected."""


def faulty(*_: Any) -> Any:
    raise Fault


def faulty_for_one(real: Any) -> Any:
    """As `real`, but for the delivery whose id is `BAD`."""

    def work(*given: Any, **more: Any) -> Any:
        if any(isinstance(g, Delivery) and g.id == BAD for g in given):
            raise Fault
        return real(*given, **more)

    return work


def take(deliverer: Deliverer, *deliveries: Delivery) -> None:
    deliverer.handle([a_record(delivery, lambda: True) for delivery in deliveries])


def outcomes(kafka: KafkaSettings) -> dict[str, Outcome]:
    found = [cast(Outcome, seen.value) for seen in read_all(kafka, OUTCOMES)]
    return {outcome.delivery: outcome for outcome in found}


@pytest.fixture
def hook(kafka: KafkaSettings, receiver: Receiver) -> Webhook:
    put(kafka, hook := a_webhook(url=receiver.url, policy=unsigned()))
    return hook


@pytest.mark.parametrize(
    ("part", "version"), [("_request_of", 1), ("_webhooks.is_cancelled", 1), ("_lanes.submit", 2)]
)
async def test_a_turn_that_meets_one_before_it_is_sent_is_put_off_and_no_other(
    kafka: KafkaSettings,
    receiver: Receiver,
    hook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    version: int,
) -> None:
    """In a request's task, on the way there, and (`version`: the table has an older one) in what
    waited for config."""
    async with delivering(kafka) as deliverer:
        *inner, name = part.split(".")
        place = getattr(deliverer, inner[0]) if inner else deliverer
        real, fails = getattr(place, name), iter([True, False])
        monkeypatch.setattr(place, name, lambda *given: (faulty if next(fails) else real)(*given))
        bad = a_delivery(webhook=hook.id, id=BAD, webhook_version=version)
        take(deliverer, bad)
        await until(lambda: BAD in outcomes(kafka))
        take(deliverer, a_delivery(webhook=hook.id, id="good", webhook_version=version))
        await until(lambda: "good" in outcomes(kafka))
        assert deliverer._lanes.in_flight == deliverer._open == 0
    found = outcomes(kafka)
    assert (found[BAD].result, found[BAD].reason) == ("deferred", "fault")
    assert found[BAD].attempt is None
    assert found["good"].result == "succeeded"
    assert len(receiver.got) == 1
    (again,) = [cast(Delivery, seen.value) for seen in read_all(kafka, RETRY)]
    assert (again.id, again.turn, again.reason) == (BAD, 2, "fault")


async def test_a_turn_whose_request_was_answered_is_not_sent_again(
    kafka: KafkaSettings, receiver: Receiver, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries_to_outcomes, "judge", faulty_for_one(judge))
    async with delivering(kafka) as deliverer:
        take(deliverer, *(a_delivery(webhook=hook.id, id=id_) for id_ in (BAD, "good")))
        await until(lambda: len(outcomes(kafka)) == 2)
        assert deliverer._lanes.in_flight == deliverer._open == 0
    found = outcomes(kafka)
    assert (found[BAD].result, found[BAD].reason) == ("failed", "fault")
    attempt = found[BAD].attempt
    assert attempt is not None
    assert attempt.status == 200
    assert found["good"].result == "succeeded"
    assert len(receiver.got) == 2
    assert read_all(kafka, RETRY) == []


async def test_where_most_turns_meet_one_the_process_ends(
    kafka: KafkaSettings, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it has put everything off."""
    async with delivering(kafka) as deliverer:
        monkeypatch.setattr(deliverer._webhooks, "is_cancelled", faulty)
        take(deliverer, *(a_delivery(webhook=hook.id, id=f"d{number}") for number in range(LAST)))
        with pytest.raises(Fault):
            await asyncio.wait_for(deliverer.tick(), WITHIN_S)
    assert len(read_all(kafka, RETRY)) <= LAST // 2


@pytest.mark.parametrize("part", ["_lanes.finished", "_is_misplaced"])
async def test_one_in_what_all_share_ends_the_process(
    kafka: KafkaSettings, hook: Webhook, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    async with delivering(kafka) as deliverer:
        *inner, name = part.split(".")
        monkeypatch.setattr(getattr(deliverer, inner[0]) if inner else deliverer, name, faulty)
        take(deliverer, a_delivery(webhook=hook.id))
        with pytest.raises(Fault):
            await asyncio.wait_for(deliverer.tick(), WITHIN_S)
