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


class Ended(NamedTuple):
    """A row of failures that was told of and has ended."""

    webhook: str
    since_ms: int


class Standing(NamedTuple):
    """An active webhook as it is now; since when this version has only failed; whether told."""

    webhook: Webhook
    since_ms: int | None
    told: bool


def succeeded(cursor: Cursor, webhooks: Mapping[str, int]) -> list[Ended]:
    """These succeeded, at those times: they fail no longer. Those that had been told of."""
    found = cursor.execute(
        "DELETE FROM failing USING unnest(%s::text[], %s::bigint[]) AS good (webhook, at_ms)"
        " WHERE failing.webhook = good.webhook AND failing.since_ms <= good.at_ms"
        " RETURNING failing.webhook, failing.since_ms, failing.told",
        (list(webhooks), list(webhooks.values())),
    )
    return [Ended(webhook, since_ms) for webhook, since_ms, told in found if told]


def failed(cursor: Cursor, webhooks: Mapping[str, Failure]) -> None:
    """These fail. Another version starts anew: an edit or enabling earns new patience. What was
    told stays told: only a success ends a row of failures."""
    cursor.executemany(
        "INSERT INTO failing AS old (webhook, version, since_ms) VALUES (%s, %s, %s)"
        " ON CONFLICT (webhook) DO UPDATE SET version = excluded.version, since_ms ="
        " CASE WHEN excluded.version > old.version THEN excluded.since_ms"
        " ELSE least(old.since_ms, excluded.since_ms) END"
        " WHERE excluded.version > old.version"
        " OR (excluded.version = old.version AND excluded.since_ms < old.since_ms)",
        [(webhook, *failure) for webhook, failure in sorted(webhooks.items())],
    )


def look_up(cursor: Cursor, webhooks: Iterable[str]) -> list[Standing]:
    """The active ones among these."""
    found = cursor.execute(
        "SELECT w.record, CASE WHEN f.version = w.version THEN f.since_ms END,"
        " coalesce(f.told, false)"
        " FROM webhooks AS w LEFT JOIN failing AS f ON f.webhook = w.id"
        " WHERE w.id = ANY(%s) AND w.state = 'active' ORDER BY w.id",
        (list(webhooks),),
    )
    return [
        Standing(msgspec.msgpack.decode(raw, type=Webhook), since_ms, told)
        for raw, since_ms, told in found
    ]


def tell(cursor: Cursor, webhook: str) -> None:
    """Note that people were told that this one fails."""
    cursor.execute("UPDATE failing SET told = true WHERE webhook = %s", (webhook,))


def records(cursor: Cursor, webhooks: Iterable[str]) -> dict[str, Webhook]:
    """These webhooks as last published, whatever their state."""
    found = cursor.execute("SELECT record FROM webhooks WHERE id = ANY(%s)", (list(webhooks),))
    decoded = (msgspec.msgpack.decode(raw, type=Webhook) for (raw,) in found)
    return {record.id: record for record in decoded}
