"""The event of a test: any type, with the catalogue's sample or with given data (W10)."""

from msgspec.structs import replace

from hookstream.model.checks import MAX_DATA, check_data, check_fields
from hookstream.model.deliveries import first_turn
from hookstream.model.ids import delivery_id
from hookstream.model.json_schema import check_schema
from hookstream.model.records import Delivery, Event, Webhook
from hookstream.store.event_types import EVENT_TYPES, EventTypeRow
from hookstream.store.pool import Pool
from hookstream.store.workspaces import WORKSPACES
from services.console.fresh import new_id, now_ms
from services.console.problems import Problem, must

PATIENCE_MS = 60_000
"""How long after its deadline a test that could not leave yet is given up: a person waits."""
_ANY = "test"
"""The type sent to a webhook that subscribes to everything, of a workspace without a catalogue."""


def sample_event(pool: Pool, webhook: Webhook, event_type: str | None, data: bytes | None) -> Event:
    """The event to send. 422 where the type or the data would be refused of a real one."""
    name = event_type or _subscribed(pool, webhook)
    known = EVENT_TYPES.get(pool, webhook.workspace, name)
    event = Event(
        workspace=webhook.workspace,
        id=new_id("evt_test"),
        type=name,
        created_at_ms=now_ms(),
        data=data if data is not None else _sample(known),
    )
    must(check_fields(event), "event_type")
    if known is None and event_type is not None:
        _may_be_unknown(pool, webhook.workspace, name)
    must(check_data(event.data, MAX_DATA), "data")
    if known is not None and known.json_schema is not None:
        must(check_schema(known.json_schema, event.data))
    return event


def delivery_of(webhook: Webhook, event: Event) -> Delivery:
    """The test's delivery, which nobody wants to see leave much later."""
    at_ms = event.created_at_ms
    made = first_turn("test", delivery_id(webhook.id, event.id), webhook, event, at_ms, "test")
    return replace(made, give_up_at_ms=at_ms + webhook.policy.deadline_ms + PATIENCE_MS)


def _sample(known: EventTypeRow | None) -> bytes:
    return known.sample if known is not None and known.sample is not None else b"{}"


def _subscribed(pool: Pool, webhook: Webhook) -> str:
    """The first type that it subscribes to, as far as its patterns or the catalogue say."""
    for pattern in webhook.events:
        if not pattern.endswith("*"):
            return pattern
        beginning = pattern[:-1]
        rows = EVENT_TYPES.page(pool, webhook.workspace, beginning, 1)
        if rows and rows[0].name.startswith(beginning):
            return rows[0].name
    return _ANY


def _may_be_unknown(pool: Pool, workspace: str, name: str) -> None:
    found = WORKSPACES.get(pool, workspace, workspace)
    if found is not None and found.unknown_types == "refuse":
        hint = "add it to the catalogue first, or take one of GET /v1/event-types"
        detail = f"{name!r} is not in the catalogue"
        raise Problem(422, "unknown_type", detail, field="event_type", hint=hint)
