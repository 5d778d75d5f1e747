"""Links by which a receiver closes its delivery later (P8): what they hold, sealed into one word.

The token is the authority: whoever has it may close that one delivery, and learns nothing from it.
It carries all that the closing outcome and its answer need, so that nothing is looked up.
"""

import base64
import binascii
from typing import Any

import msgspec
from msgspec import Struct

from hookstream.model.records import Delivery, Event, Kind, Outcome, Webhook
from hookstream.model.seal import Keys, SealedError

PATH = "/v1/callbacks/"
REASON = "callback"
"""`reason` of an outcome that a callback wrote."""
_PLACE = "callback"
"""No place of a secret is called so (`seal.place_of`): nothing sealed elsewhere opens here."""
_MAX_KEY = 128


class Callback(Struct, frozen=True, kw_only=True, array_like=True):
    """What a link holds. Fields are added at the end, with a default: old links stay valid."""

    workspace: str
    webhook: str
    webhook_version: int
    delivery: str
    kind: Kind
    event: str
    event_type: str
    subject: str | None
    lane: str
    logged_at_ms: int
    until_ms: int
    """No later than this the link closes anything."""
    action_key: str
    job_key: str


class _Keys(Struct):
    """What the event says about where it came from (P9)."""

    action: Any = msgspec.field(default=None, name="jobActionKey")
    job: Any = msgspec.field(default=None, name="jobKey")


_NO_KEYS = _Keys()
_keys = msgspec.json.Decoder(_Keys)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Callback).decode


def keys_of_links(keys: Keys) -> Keys:
    """What seals and opens tokens, derived from the sealing keys."""
    return keys.derived(_PLACE)


def callback_of(webhook: Webhook, delivery: Delivery, sent_at_ms: int) -> Callback:
    """The callback of a request that goes out now: valid as long as its delivery may wait."""
    event, policy = delivery.event, webhook.policy
    keys = _keys_in(event)
    return Callback(
        workspace=event.workspace,
        webhook=webhook.id,
        webhook_version=webhook.version,
        delivery=delivery.id,
        kind=delivery.kind,
        event=event.id,
        event_type=event.type,
        subject=event.subject,
        lane=delivery.lane,
        logged_at_ms=delivery.logged_at_ms,
        until_ms=sent_at_ms + policy.deadline_ms + policy.waiting_ms,
        action_key=_word(keys.action) or delivery.id,
        job_key=_word(keys.job) or event.id,
    )


def sealed(callback: Callback, keys: Keys, nonce: bytes) -> str:
    """The token: letters, digits, `-` and `_`. `keys`: of links; `nonce`: 12 random bytes."""
    raw = keys.seal(_encode(callback), _PLACE, nonce)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def opened(token: str, keys: Keys) -> Callback:
    """What a token holds. Raises `SealedError` for one that we did not make."""
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        return _decode(keys.open(raw, _PLACE))
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError):
        raise SealedError("not a token") from None


def closing(callback: Callback, done: bool, stated_reason: str | None, now_ms: int) -> Outcome:
    """The record that closes the delivery. It settles no turn (once.md 20)."""
    return Outcome(
        workspace=callback.workspace,
        delivery=callback.delivery,
        kind=callback.kind,
        turn=None,
        webhook=callback.webhook,
        webhook_version=callback.webhook_version,
        lane=callback.lane,
        event=callback.event,
        event_type=callback.event_type,
        subject=callback.subject,
        result="succeeded" if done else "failed",
        reason=REASON,
        logged_at_ms=callback.logged_at_ms,
        ended_at_ms=now_ms,
        stated_reason=stated_reason,
    )


def answer(callback: Callback) -> bytes:
    """What a callback is answered, every time alike (P9).

    The keys are those of the event's data; where it has none, the delivery's and the event's ids.
    """
    keys = {"jobActionKey": callback.action_key, "jobKey": callback.job_key}
    return msgspec.json.encode({"status": "ok", "code": 200, "data": keys})


def _keys_in(event: Event) -> _Keys:
    """Most events have none: they are not parsed."""
    if b"jobActionKey" not in event.data and b"jobKey" not in event.data:
        return _NO_KEYS
    try:
        return _keys.decode(event.data)
    except (msgspec.MsgspecError, RecursionError):
        return _NO_KEYS


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _MAX_KEY else None
