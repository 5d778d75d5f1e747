"""Prestavi's webhooks are triggered by an action (P3): an event names the one it is for."""

import json

from hookstream.model.records import Dead, Event
from hookstream.stream.codec import Codec
from hookstream.stream.topics import DEAD, EVENTS
from tests.fixtures.kafka import produce, read_all, wait_until
from tests.fixtures.receiver import Receiver
from tests.system.shared import Shared

CODEC = Codec()


def addressed(workspace: str, event: str, webhook: str) -> bytes:
    """The event as it stands in Kafka."""
    made = Event(
        workspace=workspace,
        id=event,
        type="action.triggered",
        created_at_ms=1_772_366_400_000,
        data=b'{"price": 1.10}',
        webhook=webhook,
    )
    return CODEC.encode(made)


def test_p3_an_addressed_event_goes_to_that_webhook_alone_by_either_door(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="prestavi")
    tenant.webhook(receiver.url + "/named", name="Approve-Invoice", events=["nothing.else"])
    tenant.webhook(receiver.url + "/all", name="all", events=["*"])
    body = {"type": "action.triggered", "data": {"n": 1}}
    for id_, name in (("exact", "Approve-Invoice"), ("folded", "aPPROVE-iNVOICE")):
        sent = tenant.publish(json.dumps(body | {"id": f"http_{id_}", "webhook": name}).encode())
        assert sent.status_code == 202, sent.text
        record = addressed(tenant.workspace, f"kafka_{id_}", name)
        produce(products.kafka, EVENTS, (b"any", record))
    last = tenant.send("action.triggered")
    wait_until(lambda: len(receiver.got) == 5 and last in receiver.ids("/all"), 60)
    named = {"http_exact", "http_folded", "kafka_exact", "kafka_folded"}
    assert set(receiver.ids("/named")) == named
    assert receiver.ids("/all") == [last], "unaddressed events only"


def test_p3_an_event_for_a_webhook_that_is_not_there_is_refused_at_either_door(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="prestavi")
    tenant.webhook(receiver.url + "/all", name="all", events=["*"])
    body = b'{"type":"action.triggered","data":{},"webhook":"nobody"}'
    refused = tenant.publish(body)
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_webhook")
    assert refused.json()["field"] == "webhook"
    produce(products.kafka, EVENTS, (b"any", addressed(tenant.workspace, "lost", "nobody")))

    def dead() -> list[Dead]:
        found = (seen.value for seen in read_all(products.kafka, DEAD))
        return [d for d in found if isinstance(d, Dead) and d.workspace == tenant.workspace]

    wait_until(dead, 60)
    assert [(d.event, d.reason) for d in dead()] == [("lost", "unknown_webhook")]
    last = tenant.send("action.triggered")
    wait_until(lambda: receiver.got, 60)
    assert receiver.ids() == [last]
