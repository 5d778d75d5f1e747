"""Verification (W3): a webhook gets nothing until its URL has answered a request made for that.

By policy only. Whatever would make such a webhook active makes it `unverified` while its URL, as it
is now, has not answered, and asks at once: its making, an edit of the URL, enabling, resuming. What
comes for a webhook that had been in use before waits for it meanwhile; for a new one there is
nothing to wait.
"""

from msgspec.structs import replace

from hookstream.model.deliveries import first_turn
from hookstream.model.ids import delivery_id
from hookstream.model.policy import Policy
from hookstream.model.records import Delivery, Event, Webhook
from hookstream.store.change import Change
from hookstream.store.integrations import IntegrationRow
from hookstream.store.webhooks import WEBHOOKS, WebhookRow
from services.console.compile import compile_webhook, full_url
from services.console.fresh import new_id, now_ms
from services.console.rotation import in_force
from services.console.sealing import must_fit

ASKED = "its verification has not been answered yet"
_PREFIX = "evt_test"


def keep(
    change: Change,
    before: WebhookRow | None,
    after: WebhookRow,
    policy: Policy,
    shared: IntegrationRow | None,
    action: str = "change",
    field: str | None = None,
) -> WebhookRow:
    """Save a webhook, a new one where `before` is None, in the state that its verification allows,
    without secrets that have ended; publish it, and ask its URL where that must answer first.

    `field`: what a person changed, where that is not of the webhook.
    """
    row = gated(before, in_force(after, now_ms()), policy, full_url(after.url, shared))
    record = compile_webhook(row, policy, shared)
    must_fit(record, field)
    if before is None:
        saved = WEBHOOKS.insert(change, row, record)
    else:
        saved = WEBHOOKS.update(change, before, row, record, action)
    if record.state == "unverified":
        ask(change, record)
    return saved


def gated(before: WebhookRow | None, after: WebhookRow, policy: Policy, url: str) -> WebhookRow:
    """`after`, which leads to `url`, as its policy lets it be. Pure."""
    if after.state not in ("active", "unverified"):
        return after
    if policy.verification is None or after.verified_url == url:
        unsettled = after.state == "unverified"
        return replace(after, state="active", state_reason=None) if unsettled else after
    in_use = before is not None and before.state != "unverified"
    known = "" if after.verified_url is None and in_use else after.verified_url
    return replace(after, state="unverified", state_reason=ASKED, verified_url=known)


def ask(change: Change, webhook: Webhook) -> Delivery:
    """Send the webhook its verification, once this commits."""
    event = verification_event(webhook, new_id(_PREFIX), now_ms())
    id_ = delivery_id(webhook.id, event.id)
    made = first_turn("verify", id_, webhook, event, now_ms(), "verification")
    change.tell("deliveries", made.lane, made)
    return made


def verification_event(webhook: Webhook, id_: str, at_ms: int) -> Event:
    """Without data, so that its body is type, id and created_at; to the second, as it is shown."""
    verification = webhook.policy.verification
    return Event(
        workspace=webhook.workspace,
        id=id_,
        type=verification.event_type if verification else "endpoint.verify",
        created_at_ms=at_ms // 1000 * 1000,
        data=b"",
    )
