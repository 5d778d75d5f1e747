"""Who fails and who recovers: noted, told of, disabled; all in the transaction of the batch.

A batch in which everything succeeded costs one statement. Events are looked into only where
something failed, or a webhook succeeded that people were told of.
"""

from collections.abc import Mapping, Sequence

from hookstream.model.records import Event, Outcome
from hookstream.store import deliveries, failing, operational, webhooks
from hookstream.store.change import Change
from hookstream.store.failing import Failure, Standing
from services.status import telling
from services.status.consequences import is_failing, tally, why_disable
from services.status.telling import ends_to_tell, is_worth_telling


def follow(change: Change, outcomes: Sequence[Outcome], failing_after_ms: int) -> None:
    """Do what follows from these outcomes, read in the order of the log."""
    found = tally(outcomes)
    if found.succeeded:
        _recover(change, found.succeeded)
    if found.failed:
        failing.failed(change.cursor, _rows(found.failed, found.succeeded))
        for standing in failing.look_up(change.cursor, found.failed):
            some = found.failed[standing.webhook.id]
            _tell_failing(change, standing, some, failing_after_ms)
            _disable(change, standing, some)
    ends = ends_to_tell(outcomes)
    if ends:
        _tell_ends(change, ends)


def _rows(
    failed: Mapping[str, Sequence[Outcome]], succeeded: Mapping[str, int]
) -> dict[str, Failure]:
    """The rows of failures that begin or go on: what failed before a success is in none."""
    found = ((id_, _first(some, succeeded.get(id_, 0))) for id_, some in failed.items())
    return {id_: failure for id_, failure in found if failure is not None}


def _first(outcomes: Sequence[Outcome], after_ms: int) -> Failure | None:
    version = max(outcome.webhook_version for outcome in outcomes)
    times = [o.ended_at_ms for o in outcomes if o.webhook_version == version]
    since_ms = min((at_ms for at_ms in times if at_ms > after_ms), default=None)
    return None if since_ms is None else Failure(version, since_ms)


def _recover(change: Change, succeeded: Mapping[str, int]) -> None:
    ended = failing.succeeded(change.cursor, succeeded)
    known = failing.records(change.cursor, [row.webhook for row in ended]) if ended else {}
    for row in ended:
        webhook = known.get(row.webhook)
        if webhook is not None and webhook.state != "deleted":
            _tell(change, telling.recovered(webhook, row.since_ms, succeeded[row.webhook]))


def _tell_failing(
    change: Change, standing: Standing, failed: Sequence[Outcome], after_ms: int
) -> None:
    webhook, since_ms, told = standing
    long = next((o for o in failed if is_failing(o, since_ms, after_ms)), None)
    if told or long is None or since_ms is None:
        return
    failing.tell(change.cursor, webhook.id)
    _tell(change, telling.failing(long, webhook, since_ms))


def _disable(change: Change, standing: Standing, failed: Sequence[Outcome]) -> None:
    webhook, since_ms, _ = standing
    reasons = ((o, why_disable(o, webhook, since_ms)) for o in failed)
    outcome, reason = next(((o, r) for o, r in reasons if r), (None, None))
    if outcome is None or reason is None:
        return
    hit = webhooks.disable(change, webhook.id, outcome.webhook_version, reason)
    if hit and is_worth_telling(outcome):
        _tell(change, telling.disabled(outcome, webhook, reason))


def _tell_ends(change: Change, ends: Mapping[str, Outcome]) -> None:
    """Where another webhook asks for it: a delivery that a callback closed before stays closed."""
    workspaces = {outcome.workspace for outcome in ends.values()}
    asking = operational.asking_for_failed_deliveries(change.cursor, workspaces)
    wanted = {
        id_: o for id_, o in ends.items() if asking.get(o.workspace, frozenset()) - {o.webhook}
    }
    if not wanted:
        return
    times = {id_: outcome.logged_at_ms for id_, outcome in wanted.items()}
    failed = deliveries.failed_among(change.cursor, times)
    known = failing.records(change.cursor, {wanted[id_].webhook for id_ in failed})
    for id_ in sorted(failed):
        if wanted[id_].webhook in known:
            _tell(change, telling.delivery_failed(wanted[id_], known[wanted[id_].webhook]))


def _tell(change: Change, event: Event) -> None:
    change.tell("events", event.id, event)
