"""Deliveries that a person cancelled: told on config, and here so that the two can be compared."""

import msgspec

from hookstream.model.config import key_of
from hookstream.model.records import Cancellation
from hookstream.store.change import Change


def put(change: Change, cancellation: Cancellation, until_ms: int) -> bool:
    """Publish a cancellation, needed until then. False where the delivery had one before."""
    found = change.cursor.execute(
        "INSERT INTO cancellations (delivery, workspace, version, until_ms, record)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (delivery) DO NOTHING RETURNING delivery",
        (
            cancellation.delivery,
            cancellation.workspace,
            cancellation.version,
            until_ms,
            msgspec.msgpack.encode(cancellation),
        ),
    ).fetchone()
    if found is None:
        return False
    change.configure(cancellation)
    return True


def forget_before(change: Change, at_ms: int, limit: int) -> int:
    """Let go of those not needed any more, here and on the topic; how many."""
    found = change.cursor.execute(
        "DELETE FROM cancellations WHERE delivery IN (SELECT delivery FROM cancellations"
        " WHERE until_ms < %s ORDER BY until_ms LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING record",
        (at_ms, limit),
    ).fetchall()
    gone = [msgspec.msgpack.decode(raw, type=Cancellation) for (raw,) in found]
    change.tell_many("config", [(key_of(each), None) for each in gone])
    return len(gone)
