"""Webhooks that only fail, and since when: what a policy may disable them for."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from hookstream.model.records import Webhook
from hookstream.store.pool import Cursor


class Failure(NamedTuple):
    """The first failure since a webhook last succeeded, and the version that failed."""

    version: int
    since_ms: int


def succeeded(cursor: Cursor, webhooks: Mapping[str, int]) -> None:
    """These succeeded, at those times: they fail no longer."""
    cursor.execute(
        "DELETE FROM failing USING unnest(%s::text[], %s::bigint[]) AS good (webhook, at_ms)"
        " WHERE failing.webhook = good.webhook AND failing.since_ms <= good.at_ms",
        (list(webhooks), list(webhooks.values())),
    )


def failed(cursor: Cursor, webhooks: Mapping[str, Failure]) -> None:
    """These fail. Another version starts anew: an edit or enabling earns new patience."""
    cursor.executemany(
        "INSERT INTO failing AS old (webhook, version, since_ms) VALUES (%s, %s, %s)"
        " ON CONFLICT (webhook) DO UPDATE SET version = excluded.version, since_ms ="
        " CASE WHEN excluded.version > old.version THEN excluded.since_ms"
        " ELSE least(old.since_ms, excluded.since_ms) END"
        " WHERE excluded.version > old.version"
        " OR (excluded.version = old.version AND excluded.since_ms < old.since_ms)",
        [(webhook, *failure) for webhook, failure in sorted(webhooks.items())],
    )


def look_up(cursor: Cursor, webhooks: Iterable[str]) -> dict[str, tuple[Webhook, int | None]]:
    """The active ones among these as they are now, each with since when it has only failed."""
    found = cursor.execute(
        "SELECT w.record, CASE WHEN f.version = w.version THEN f.since_ms END"
        " FROM webhooks AS w LEFT JOIN failing AS f ON f.webhook = w.id"
        " WHERE w.id = ANY(%s) AND w.state = 'active'",
        (list(webhooks),),
    )
    records = ((msgspec.msgpack.decode(raw, type=Webhook), since) for raw, since in found)
    return {record.id: (record, since) for record, since in records}


def records(cursor: Cursor, webhooks: Iterable[str]) -> dict[str, Webhook]:
    """These webhooks as last published, whatever their state."""
    found = cursor.execute("SELECT record FROM webhooks WHERE id = ANY(%s)", (list(webhooks),))
    decoded = (msgspec.msgpack.decode(raw, type=Webhook) for (raw,) in found)
    return {record.id: record for record in decoded}
