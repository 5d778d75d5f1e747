"""Records for tests: valid ones, changed where a test says so."""

from typing import Any

from hookstream.model.policy import Policy, Schedule, Signature
from hookstream.model.records import Delivery, Event, Webhook, Workspace

DATA = b'{"id":"con_1","amount":1.10}'


def an_event(**changes: Any) -> Event:
    fields = {"workspace": "ws_1", "id": "evt_1", "type": "contact.created", "data": DATA}
    return Event(**{**fields, "created_at_ms": 1_710_498_600_000, **changes})


def a_policy(**changes: Any) -> Policy:
    return Policy(**{"id": "pol_1", "name": "Standard", **changes})


def unsigned(**changes: Any) -> Policy:
    return a_policy(**{"signature": Signature(scheme="none"), **changes})


def retrying(*delays_ms: int, **changes: Any) -> Policy:
    schedule = Schedule(delays_ms=delays_ms, max_requests=len(delays_ms) + 1)
    return a_policy(**{"schedule": schedule, **changes})


def a_webhook(**changes: Any) -> Webhook:
    fields = {"id": "wh_1", "workspace": "ws_1", "version": 1, "name": "Crm", "state": "active"}
    fields |= {"url": "https://example.com/hook", "lane": "wh_1", "policy": a_policy()}
    return Webhook(**{**fields, **changes})


def a_delivery(**changes: Any) -> Delivery:
    fields = {"id": "del_1", "turn": 1, "webhook": "wh_1", "webhook_version": 1, "lane": "wh_1"}
    times = {"due_at_ms": 0, "give_up_at_ms": 10**15, "logged_at_ms": 0}
    return Delivery(**{"event": an_event(), **fields, **times, **changes})


def a_workspace(**changes: Any) -> Workspace:
    return Workspace(**{"id": "ws_1", "version": 1, "name": "Acme", **changes})
