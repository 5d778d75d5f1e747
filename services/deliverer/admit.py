"""Who may send now: the decision before every request. Pure; `lanes.py` keeps what it looks at."""

import hashlib

from msgspec import Struct

from hookstream.model.records import TRIALS, Delivery, Webhook
from hookstream.model.shards import ceiling_of, lane_of
from services.deliverer.health import COOL_DOWN_MS, START, Health

WAIT_MS = 1_000
"""The longest that a delivery waits in memory for its lane."""
WAIT_BYTES = 4_194_304
"""What one webhook's wait list may hold, beside one delivery of any size."""
UNKNOWN_MS = 250
"""How long a webhook's first burst is put off while its first answers are out."""
BOOKED = frozenset({"rate", "busy"})
"""Reasons of a deferral whose time was booked: back at that time, it need not book again."""


class Go(Struct, frozen=True, gc=False):
    """Send now."""


class Wait(Struct, frozen=True, gc=False):
    """Not now, but within a second: keep it in memory."""


class Defer(Struct, frozen=True, gc=False):
    """Write it back, due at `until_ms`; costs no attempt. `booked_ms`: the time is its own, up to
    then, in fractions: a lane of 1,000 a second must not lose by each rounding (M2)."""

    until_ms: int
    why: str
    booked_ms: float | None = None


class Park(Struct, frozen=True, gc=False):
    """The webhook is paused, disabled or not verified: keep it in Postgres."""


class Cancel(Struct, frozen=True, gc=False):
    """It is not wanted any more: the webhook is gone, or a person cancelled it."""

    why: str = "webhook_deleted"


class Rekey(Struct, frozen=True, gc=False):
    """An edit moved the webhook: its deliveries belong to this lane."""

    lane: str


Plan = Go | Wait | Defer | Park | Cancel | Rekey


class View(Struct, frozen=True, gc=False):
    """What the lane looks like to one delivery at this moment."""

    in_flight: int = 0
    """Requests of its webhook."""
    slow: int = 0
    """Those of them open for more than a second."""
    waiting: int = 0
    """Deliveries of its webhook ahead of it in memory."""
    kept: bool = False
    """Whether it waits in memory already: it has its place there."""
    has_room: bool = True
    """Whether lane and webhook may keep it in memory, in bytes and in a second's worth of rate."""
    next_free_ms: float = 0
    """When the lane's rate has room for a request."""
    horizon_ms: float = 0
    """Up to when the lane's time is booked."""
    pace_ms: float | None = None
    """How long the lane takes a request, on average; None: no estimate."""
    process_full: bool = False
    suspects_full: bool = False


def admit(webhook: Webhook, delivery: Delivery, health: Health, view: View, now_ms: int) -> Plan:
    """The plan for one delivery that is due, and whose delivery has not expired."""
    decided = fate(webhook, delivery)
    if decided is not None:
        return decided
    exact = webhook.policy.exact or delivery.kind in TRIALS  # a person waits for a trial's answer
    if health.not_before_ms > now_ms and not exact:
        return Defer(_spread(delivery, health.not_before_ms, now_ms), "cooling_down")
    if view.process_full:
        return Wait()
    ceiling = ceiling_of(webhook)
    allowed = min(max(health.limit, START if exact else 1), ceiling)
    if view.waiting == 0 and view.in_flight < allowed and _is_its_turn(health, view, now_ms):
        return Go()
    # A limit that was never cut is still growing: its wait list is as long as it may become, so
    # that the first burst for a webhook goes out at once, answer by answer.
    room = 4 * (allowed if health.is_cut else max(allowed, ceiling))
    return _later(delivery, health, view, allowed, room, now_ms)


def fate(webhook: Webhook, delivery: Delivery) -> Plan | None:
    """What becomes of it whatever its lane is like; None where that decides."""
    if webhook.state == "deleted":
        return Cancel()
    lane = lane_of(webhook, delivery.event)
    if lane != delivery.lane:
        return Rekey(lane)
    if webhook.state != "active" and delivery.kind not in TRIALS:  # these go regardless (W3, W10)
        return Park()
    return None


def _is_its_turn(health: Health, view: View, now_ms: int) -> bool:
    suspect = health.suspect or view.slow > 0
    return view.next_free_ms <= now_ms and not (suspect and view.suspects_full)


def _later(
    delivery: Delivery, health: Health, view: View, allowed: int, room: int, now_ms: int
) -> Plan:
    hopeless = health.limit == 0 or view.slow >= allowed
    due_back = delivery.deferred_since_ms is not None and delivery.reason in BOOKED
    placed = view.kept or delivery.kind in TRIALS  # a trial does not queue behind a backlog
    early = placed or due_back or view.horizon_ms <= now_ms + WAIT_MS
    has_room = placed or (view.has_room and view.waiting < room)
    soon = view.next_free_ms <= now_ms + WAIT_MS
    if not hopeless and early and soon and has_room:
        return Wait()
    suspect = health.suspect or view.slow > 0
    if suspect:
        wait = max(COOL_DOWN_MS, health.cool_down_ms)
        return Defer(_spread(delivery, now_ms + wait, now_ms), "not_answering")
    if view.pace_ms is None:
        return Defer(_spread(delivery, now_ms + UNKNOWN_MS, now_ms), "busy")
    start = max(view.horizon_ms, view.next_free_ms, now_ms + view.waiting * view.pace_ms)
    booked_ms = start + view.pace_ms
    why = "rate" if view.next_free_ms > now_ms else "busy"
    return Defer(int(booked_ms) + 1, why, booked_ms)


def _spread(delivery: Delivery, until_ms: int, now_ms: int) -> int:
    """`until` or a quarter of the time already put off, and a little later for each by its hash.

    The quarter keeps the number of deferrals logarithmic; the hash keeps all that wait for one
    moment from coming back in it together.
    """
    put_off = now_ms - delivery.deferred_since_ms if delivery.deferred_since_ms else 0
    wait = max(until_ms - now_ms, put_off // 4)
    seed = f"{delivery.id} {delivery.turn}".encode()
    share = int.from_bytes(hashlib.blake2b(seed, digest_size=2).digest()) / 65_536
    return now_ms + wait + int(wait * share / 4)
