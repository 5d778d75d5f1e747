"""Replays: deliveries of a time span sent once more, a page a second for each webhook."""

from collections.abc import Callable
from itertools import groupby

from msgspec.structs import replace

from hookstream.model.deliveries import first_turn
from hookstream.model.ids import delivery_id
from hookstream.model.records import Webhook
from hookstream.store import deliveries, parked, replays
from hookstream.store.change import Change
from hookstream.store.replays import Replay
from hookstream.store.session import Session
from services.status.pace import Pace

ACTOR = "status"
_PAGE = 50


class Replaying:
    """The duty of upkeep over the table `replays`. One replay of a webhook at a time."""

    def __init__(self, session: Session, per_s: int, clock_ms: Callable[[], int]) -> None:
        self._session = session
        self._clock_ms = clock_ms
        self._pace = Pace(per_s)

    def round(self, over_s: float = 1.0) -> int:
        """What each active webhook may get in so many seconds; how many went."""
        with self._session.transaction() as cursor:
            by_webhook = groupby(replays.running(cursor), lambda each: each[1].id)
            oldest = [next(group) for _, group in by_webhook]
        paces = self._pace.round([webhook for _, webhook in oldest if webhook.state == "active"])
        return sum(self._go_on(replay, webhook, paces, over_s) for replay, webhook in oldest)

    def _go_on(
        self, replay: Replay, webhook: Webhook, paces: dict[str, float], over_s: float
    ) -> int:
        if webhook.state == "deleted":
            with self._session.transaction() as cursor:
                replays.moved(cursor, replace(replay, state="cancelled"))
        if webhook.id not in paces:
            return 0
        with self._session.transaction() as cursor:
            behind = deliveries.is_behind(cursor, webhook.id)
        left = most = self._pace.whole(webhook, paces[webhook.id], behind, over_s)
        while left:
            with self._session.transaction() as cursor:
                some = self._page(Change(cursor, ACTOR), replay.id, webhook, min(left, _PAGE))
            left -= some
            if some < _PAGE:
                break
        return most - left

    def _page(self, change: Change, id_: str, webhook: Webhook, limit: int) -> int:
        """Send the next ones and note where it stands, in one transaction: so each once."""
        replay = replays.locked(change.cursor, id_)
        if replay is None:
            return 0
        ended = replays.page(change.cursor, replay, limit)
        keys = {(replay.workspace, each.event) for each in ended}
        events = parked.event_of(change.cursor, keys)
        there = [events[key] for e in ended if (key := (replay.workspace, e.event)) in events]
        now_ms = self._clock_ms()
        again = [
            first_turn("replay", delivery_id(replay.id, e.id), webhook, e, now_ms, "replay")
            for e in there
        ]
        change.tell_many("deliveries", [(delivery.lane, delivery) for delivery in again])
        replays.moved(change.cursor, _after(replay, ended, len(again), limit))
        return len(ended)


def _after(replay: Replay, ended: list[replays.Ended], sent: int, limit: int) -> Replay:
    last = ended[-1] if ended else replays.Ended(replay.at_delivery, replay.at_ms, "")
    return replace(
        replay,
        state="running" if len(ended) == limit else "done",
        sent=replay.sent + sent,
        at_ms=last.logged_at_ms,
        at_delivery=last.id,
    )
