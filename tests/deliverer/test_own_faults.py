"""A fault of ours on the way of a turn ends the process: left alone, it would hold a slot for ever,
or keep all who wait for config waiting."""

import asyncio
from typing import Any

import pytest

from hookstream.stream.settings import KafkaSettings
from tests.deliverer.test_withheld import WITHIN_S, a_record, delivering
from tests.fixtures.kafka import put
from tests.unit.values import a_delivery, a_webhook, unsigned


class Fault(Exception):
    """What nobody expected."""


def faulty(*_: Any) -> Any:
    raise Fault


@pytest.mark.parametrize(
    ("part", "version"), [("_request_of", 1), ("_is_misplaced", 1), ("_lanes.submit", 2)]
)
async def test_a_fault_of_ours_ends_the_process(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch, part: str, version: int
) -> None:
    """In a request's task, in taking a record, and (`version`: the table has an older one) in what
    waited for config."""
    put(kafka, hook := a_webhook(policy=unsigned()))
    async with delivering(kafka) as deliverer:
        *inner, name = part.split(".")
        monkeypatch.setattr(getattr(deliverer, inner[0]) if inner else deliverer, name, faulty)
        delivery = a_delivery(webhook=hook.id, webhook_version=version)
        deliverer.handle([a_record(delivery, lambda: True)])
        with pytest.raises(Fault):
            await asyncio.wait_for(deliverer.tick(), WITHIN_S)
