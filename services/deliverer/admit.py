"""Who may send now: the decision before every request. Pure; `lanes.py` keeps what it looks at.

`fate` comes first, and once: what becomes of a delivery whatever its lane is like. Then `admit`: Go
if its webhook has a request free (by its limit, its lane's rate, a slot of its rank), Wait while
that is likely within a second and there is room in memory, else Defer. Whatever happens:

- A deferral with an estimate books its time, so that each comes back to a slot of its own. One
  without takes as long again as the delivery was put off already or its webhook has been out,
  beyond 15 s a quarter of that; so does, by a quarter, one for a delivery that came back to its
  time in vain. What is put off for `t` seconds in all is put off some log t times, never t times;
  and all that come while a webhook is out are put off a few times each, however long that takes.
- Nothing is put off beyond the moment at which it has failed (`give_up_at`, a schedule's window).
"""

import hashlib
import zlib
from typing import Literal

from msgspec import Struct

from hookstream.model.records import OWN_FAULT, TRIALS, Delivery, Webhook
from hookstream.model.schedule import last_moment_ms
from hookstream.model.shards import ceiling_of, lane_of
from services.deliverer.health import COOL_DOWN_MAX_MS, COOL_DOWN_MS, START, Health

WAIT_MS = 1_000
"""The longest that a delivery waits in memory for its lane."""
WAIT_BYTES = 4_194_304
"""What one webhook's wait list may hold, beside one delivery of any size."""
UNKNOWN_MS = 250
"""How long a webhook's first burst is put off while its first answers are out."""
AS_LONG_AGAIN_MS = 15_000
"""Up to here, to look again sooner would cost more than it is likely to gain."""
TOGETHER_MS = 100
"""So far apart a webhook's deliveries come back that have no time of their own: ten at once cost
Kafka and the loops little more than one. Those of all webhooks at once would be a jolt for all."""
_APART_MS = 10
BOOKED = frozenset({"rate", "busy"})
"""Reasons of a deferral whose time was booked: back at that time, it need not book again."""


Why = Literal["rate", "busy", "cooling_down", "not_answering", "fault"]
"""The reasons of a deferral."""


class Go(Struct, frozen=True, gc=False):
    """Send now."""


class Wait(Struct, frozen=True, gc=False):
    """Not now, but within a second: keep it in memory."""


class Defer(Struct, frozen=True, gc=False):
    """Write it back, due at `until_ms`; costs no attempt. `booked_ms`: the time is its own, up to
    then, in fractions: a lane of 1,000 a second must not lose by each rounding (M2)."""

    until_ms: int
    why: Why
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
    silent: int = 0
    """Those of them open for so long that it is a suspect."""
    out_ms: int = 0
    """For how long it has been a suspect without a sign of life."""
    waiting: int = 0
    """Deliveries of its webhook ahead of it in memory."""
    kept: bool = False
    """Whether it waits in memory already: it has its place there."""
    has_room: bool = True
    """Whether lane, webhook and process may keep it in memory."""
    next_free_ms: float = 0
    """When the lane's rate has room for a request."""
    horizon_ms: float = 0
    """Up to when the lane's time is booked."""
    pace_ms: float | None = None
    """How long the lane takes a request, on average; None: no estimate."""
    patience_ms: int = WAIT_MS
    """How long it may wait in memory: longer while the process itself is behind its clock."""
    process_full: bool = False
    has_slot: bool = True
    """Whether the process has a slot left for a webhook of its rank."""


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


def may_open(
    webhook: Webhook, delivery: Delivery, health: Health, in_flight: int, now_ms: int
) -> bool:
    """Whether its webhook's own health allows a request more than `in_flight`."""
    if health.not_before_ms > now_ms and not _is_exact(webhook, delivery):
        return False
    return in_flight < _most_open(webhook, delivery, health)


def admit(webhook: Webhook, delivery: Delivery, health: Health, view: View, now_ms: int) -> Plan:
    """The plan for one delivery that is due, has not expired, and whose fate is open."""
    at_once = view.waiting == 0 and view.has_slot and view.next_free_ms <= now_ms
    if at_once and may_open(webhook, delivery, health, view.in_flight, now_ms):
        return Go()
    if health.not_before_ms > now_ms and not _is_exact(webhook, delivery):
        return _unbooked(webhook, delivery, view, health.not_before_ms, "cooling_down", now_ms)
    if view.process_full or _may_wait(webhook, delivery, health, view, now_ms):
        return Wait()
    return put_off(webhook, delivery, health, view, now_ms)


def put_off(webhook: Webhook, delivery: Delivery, health: Health, view: View, now_ms: int) -> Defer:
    """Till when a delivery goes back to Kafka that its lane cannot take within a second."""
    if health.suspect or view.silent:
        until_ms = now_ms + max(COOL_DOWN_MS, health.cool_down_ms)
        return _unbooked(webhook, delivery, view, until_ms, "not_answering", now_ms)
    if view.pace_ms is None:
        return _unbooked(webhook, delivery, view, now_ms + UNKNOWN_MS, "busy", now_ms)
    start = max(view.horizon_ms, view.next_free_ms, now_ms + view.waiting * view.pace_ms)
    booked_ms = start + view.pace_ms
    if _is_due_back(delivery):
        booked_ms = max(booked_ms, now_ms + _put_off_ms(delivery, now_ms) / 4)
    why: Why = "rate" if view.next_free_ms > now_ms else "busy"
    last_ms = last_moment_ms(webhook.policy.schedule, delivery)
    if booked_ms > last_ms:
        return Defer(max(last_ms, now_ms) + 1, why)
    return Defer(int(booked_ms) + 1, why, booked_ms)


def put_aside(delivery: Delivery, now_ms: int) -> Defer:
    """Till when a delivery goes back to Kafka that met a fault of ours: a release that mends it may
    take long, so the steps grow with the time that it has waited."""
    return Defer(now_ms + max(AS_LONG_AGAIN_MS, _put_off_ms(delivery, now_ms) // 4), OWN_FAULT)


def _is_exact(webhook: Webhook, delivery: Delivery) -> bool:
    """Whether it goes by its own time, not by a cool-down: a person waits for a trial's answer."""
    return webhook.policy.exact or delivery.kind in TRIALS


def _most_open(webhook: Webhook, delivery: Delivery, health: Health) -> int:
    limit = health.limit
    if limit < START:
        limit = START if _is_exact(webhook, delivery) else 1  # one probe, or the last one left
    return min(limit, ceiling_of(webhook))


def _may_wait(
    webhook: Webhook, delivery: Delivery, health: Health, view: View, now_ms: int
) -> bool:
    most = _most_open(webhook, delivery, health)
    if health.limit == 0 or view.silent >= most or view.next_free_ms > now_ms + WAIT_MS:
        return False
    if view.kept or delivery.kind in TRIALS:  # a trial does not queue behind a backlog
        return True
    early = _is_due_back(delivery) or view.horizon_ms <= now_ms + view.patience_ms
    return early and view.has_room and view.waiting < _room(webhook, health, view, most)


def _room(webhook: Webhook, health: Health, view: View, most: int) -> float:
    """How many may wait for a webhook of which `most` may be open.

    As many as go out within a second, since to put that off would cost more than to send it; and of
    those whose pace is not known, or who are suspects, four times as many as may be open. A limit
    that was never cut is still growing: its wait list is as long as it may become, so that the
    first burst for a webhook goes out at once, answer by answer.
    """
    room = 4 * (most if health.is_cut else max(most, ceiling_of(webhook)))
    if health.suspect or not view.pace_ms:
        return room
    return max(room, view.patience_ms / view.pace_ms)


def _is_due_back(delivery: Delivery) -> bool:
    return delivery.deferred_since_ms is not None and delivery.reason in BOOKED


def _put_off_ms(delivery: Delivery, now_ms: int) -> int:
    """Since it was first due. What is late because all stood still was not put off for so long: its
    turns are few, and each deferral no more than doubles the time."""
    if delivery.deferred_since_ms is None:
        return 0
    return min(now_ms - delivery.deferred_since_ms, COOL_DOWN_MS << min(delivery.turn, 20))


def _unbooked(
    webhook: Webhook, delivery: Delivery, view: View, until_ms: int, why: Why, now_ms: int
) -> Defer:
    """`until`, or as long again as it was put off already or its webhook has been out (of that no
    more than the longest cool-down), beyond 15 s a quarter of that; and a little later for each by
    its hash, so that those who wait for one moment come back apart, a few at a time."""
    already = max(_put_off_ms(delivery, now_ms), min(view.out_ms, 4 * COOL_DOWN_MAX_MS))
    wait = max(until_ms - now_ms, min(already, AS_LONG_AGAIN_MS), already // 4)
    seed = f"{delivery.id} {delivery.turn}".encode()
    share = int.from_bytes(hashlib.blake2b(seed, digest_size=2).digest()) / 65_536
    at_ms = now_ms + wait + int(wait * share / 4)
    if wait >= 4 * TOGETHER_MS:
        at_ms = _together(webhook.id, at_ms, now_ms + wait)
    last_ms = max(last_moment_ms(webhook.policy.schedule, delivery), now_ms)
    return Defer(min(at_ms, last_ms + 1), why)


def _together(webhook: str, at_ms: int, least_ms: int) -> int:
    """The webhook's own moment of a tenth of a second that comes before `at`; where that is too
    soon, the one after."""
    own_ms = zlib.crc32(webhook.encode()) % (TOGETHER_MS // _APART_MS) * _APART_MS
    at_ms -= (at_ms - own_ms) % TOGETHER_MS
    return at_ms if at_ms >= least_ms else at_ms + TOGETHER_MS
