"""What the answer to a verification changes (W3): for the version that was asked, once."""

from collections.abc import Sequence
from typing import Any

import pytest

from hookstream.model.policy import Policy, Verification
from hookstream.model.records import Attempt, Outcome, Webhook
from hookstream.store import outbox
from hookstream.store.pool import Connection
from hookstream.store.views import Views
from services.status.outcomes_to_views import OutcomesToViews
from services.status.verifications import _CANCELLED, why_unverified
from tests.status.samples import NOON_MS, at, move, outcome, put_webhook, webhook
from tests.status.test_acting import NOW_MS, POSITIONS

POLICY = Policy(id="p", name="p", verification=Verification())
ANSWERED = outcome(kind="verify", logged_at_ms=NOW_MS)
REFUSED = outcome(
    "failed",
    kind="verify",
    reason="rejected",
    attempt=Attempt(started_at_ms=NOON_MS, duration_ms=1, status=204),
    logged_at_ms=NOW_MS,
)


def published(connection: Connection) -> list[Any]:
    rows = outbox.oldest(connection, 100)
    return [row.decoded() for row in rows if row.topic == "config"]


def row(connection: Connection) -> tuple[Any, ...] | None:
    query = "SELECT state, state_reason, version, verified_url FROM webhooks"
    return connection.execute(query).fetchone()


def write(views: Views, outcomes: Sequence[Outcome]) -> None:
    read = [at(each, n) for n, each in enumerate(outcomes)]
    OutcomesToViews(views)(read, move(0, len(outcomes)), POSITIONS)


def test_its_answer_makes_a_webhook_active_once(connection: Connection, views: Views) -> None:
    put_webhook(connection, webhook(state="unverified", policy=POLICY))
    write(views, [ANSWERED, ANSWERED])
    assert row(connection) == ("active", None, 2, "https://example.com/")
    (record,) = published(connection)
    assert isinstance(record, Webhook)
    assert (record.state, record.version, record.was_verified) == ("active", 2, True)


def test_an_edit_meanwhile_is_not_what_was_asked(connection: Connection, views: Views) -> None:
    put_webhook(connection, webhook(state="unverified", policy=POLICY, version=2))
    write(views, [ANSWERED])
    assert row(connection) == ("unverified", None, 2, None)
    assert published(connection) == []


@pytest.mark.parametrize("state", ["paused", "disabled"])
def test_who_was_paused_meanwhile_stays_so_but_is_verified(
    connection: Connection, views: Views, state: Any
) -> None:
    put_webhook(connection, webhook(state=state, policy=POLICY))
    write(views, [ANSWERED])
    found = row(connection)
    assert found is not None
    assert (found[0], found[3]) == (state, "https://example.com/")


def test_a_refusal_is_visible_and_changes_nothing_else(
    connection: Connection, views: Views
) -> None:
    put_webhook(connection, webhook(state="unverified", policy=POLICY))
    write(views, [REFUSED])
    assert row(connection) == ("unverified", "its verification was answered 204", 1, None)
    assert published(connection) == []
    assert connection.execute("SELECT * FROM failing").fetchall() == []


@pytest.mark.parametrize("turn", [None, 1])
def test_one_that_was_cancelled_is_told_and_another_may_answer(
    connection: Connection, views: Views, turn: int | None
) -> None:
    """Taken back by hand (that outcome is of no turn), or cancelled by the deliverer."""
    put_webhook(connection, webhook(state="unverified", policy=POLICY))
    reason = "by_hand" if turn is None else "webhook_deleted"
    cancelled = outcome("cancelled", kind="verify", reason=reason, logged_at_ms=NOW_MS, turn=turn)
    write(views, [cancelled])
    state, why, *rest = row(connection) or ()
    assert (state, rest) == ("unverified", [1, None])
    assert why == f"its verification {_CANCELLED[reason]}: ask for another"
    another = outcome(delivery="another", kind="verify", logged_at_ms=NOW_MS)
    OutcomesToViews(views)([at(another, 1)], move(1, 2), POSITIONS)
    assert row(connection) == ("active", None, 2, "https://example.com/")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"reason": "unreachable", "error_detail": "certificate expired", "attempt": None},
            "its verification failed: certificate expired",
        ),
        (
            {"reason": "expired", "attempt": None},
            "its verification failed: it could not be sent in time",
        ),
        ({"reason": "other", "attempt": None}, "its verification failed: other"),
        (
            {"reason": "fault"},
            "its verification met a fault of Hookstream's own: ask for another",
        ),
    ],
)
def test_why_a_webhook_stays_unverified_is_said_in_words(
    changed: dict[str, Any], words: str
) -> None:
    assert why_unverified(outcome("failed", kind="verify", **changed)) == words
