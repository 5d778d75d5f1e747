"""A rolling upgrade: two versions at once, each reading what the other writes; nothing is lost.

The version after is this one with a field more in events, deliveries and outcomes: a copy of our
package whose schemas and records have it, and processes that import the copy.
"""

import ast
import io
import json
import os
import shutil
import time
from collections import Counter
from pathlib import Path

import fastavro
import msgspec
import psycopg
from msgspec import Struct

from hookstream.model.ids import delivery_id
from hookstream.model.policy import Policy, Signature
from hookstream.model.records import Delivery, Event, Outcome, SchemaNote, Webhook, Workspace
from hookstream.stream import schemas
from hookstream.stream.codec import Codec
from hookstream.stream.schemas import WriterSchema
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import DEAD, DELIVERIES, EVENTS, OUTCOMES
from tests.fixtures.kafka import produce, put, read_all, wait_until
from tests.fixtures.receiver import Receiver
from tests.started import KILLED, together

ROOT = Path(__file__).parents[2]
WITHIN_S = 90
CHANGED: tuple[type[Struct], ...] = (Event, Delivery, Outcome)
FIELD = {"name": "urgency", "type": "long", "default": 0}
LANES = [f"wh{number}" for number in range(12)]


def version_after(folder: Path) -> dict[str, str]:
    """A copy of our package with a field more; the environment of processes that run it."""
    package = folder / "libs" / "hookstream"
    shutil.copytree(ROOT / "libs" / "hookstream", package)
    records = package / "model" / "records.py"
    lines = records.read_text("utf-8").splitlines()
    wanted = {cls.__name__ for cls in CHANGED}
    ends = [
        node.end_lineno or 0
        for node in ast.parse("\n".join(lines)).body
        if isinstance(node, ast.ClassDef) and node.name in wanted
    ]
    for end in sorted(ends, reverse=True):
        lines.insert(end, f"    {FIELD['name']}: int = 0")
    records.write_text("\n".join(lines), "utf-8")
    for cls in CHANGED:
        file = package / "schemas" / f"{cls.__name__.lower()}.avsc"
        file.write_text(grown(cls).text, "utf-8")
    return {**os.environ, "PYTHONPATH": f"{folder / 'libs'}:{ROOT}"}


def grown(cls: type[Struct], *more: str) -> WriterSchema:
    """The schema of `cls` with a field more, and others by their names."""
    schema = json.loads(schemas.current(cls).text)
    schema["fields"] += [FIELD, *(FIELD | {"name": name} for name in more)]
    return schemas.parse(json.dumps(schema))


def event(number: int) -> Event:
    webhook = LANES[number % len(LANES)]
    id_ = f"evt_{number}"
    return Event(workspace="ws", id=id_, type="a.b", created_at_ms=0, data=b"{}", webhook=webhook)


def by(schema: WriterSchema, number: int) -> bytes:
    """An event as a writer with this schema writes it."""
    body = io.BytesIO(b"\xc3\x01" + schema.fingerprint)
    body.seek(0, io.SEEK_END)
    datum = msgspec.to_builtins(event(number), builtin_types=(bytes,))
    fastavro.schemaless_writer(body, schema.parsed, datum)
    return body.getvalue()


def webhook(id_: str, receiver: Receiver) -> Webhook:
    return Webhook(
        id=id_,
        workspace="ws",
        version=1,
        name=id_,
        state="active",
        url=f"{receiver.url}/{id_}",
        lane=id_,
        policy=Policy(id="plain", name="plain", signature=Signature(scheme="none")),
    )


def written_by_both(kafka: KafkaSettings, topic: str, cls: type[Struct]) -> bool:
    """Whether both versions have written to this topic."""
    found = {seen.raw[2:10] for seen in read_all(kafka, topic) if seen.raw}
    return {grown(cls).fingerprint, schemas.current(cls).fingerprint} <= found


def logged(database: str) -> int:
    with psycopg.connect(database) as connection:
        query = "SELECT count(*) FROM deliveries WHERE state = 'succeeded'"
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def test_two_versions_at_once_read_each_other_and_nothing_is_dead(
    kafka: KafkaSettings, database: str, receiver: Receiver, tmp_path: Path
) -> None:
    put(kafka, Workspace(id="ws", version=1, name="Ours"), *(webhook(w, receiver) for w in LANES))
    services = {
        "router": KILLED,
        "deliverer": {"SEAL_KEYS": "00" * 32, "EGRESS_ALLOW": "127.0.0.0/8", **KILLED},
        "status": {"POSTGRES_DSN": database, **KILLED},
    }
    newer, sent = version_after(tmp_path), 0
    old_schema, new_schema = schemas.current(Event), grown(Event)

    def send(count: int, *writers: WriterSchema) -> None:
        nonlocal sent
        numbers = range(sent, sent + count)
        records = [(f"evt_{n}", by(writers[n % len(writers)], n)) for n in numbers]
        produce(kafka, EVENTS, *records)
        sent += count

    def both_wrote() -> bool:
        send(24, old_schema, new_schema)
        return written_by_both(kafka, DELIVERIES, Delivery) and written_by_both(
            kafka, OUTCOMES, Outcome
        )

    with together(kafka, services, ready=False) as old:
        wait_until(old["router"].is_ready, WITHIN_S)
        wait_until(old["deliverer"].is_ready, WITHIN_S)
        send(24, old_schema)
        wait_until(lambda: len(receiver.got) == sent, WITHIN_S)
        # The version after joins: what moves first, what reads it last, so that each meets both.
        moving = {name: services[name] for name in ("router", "deliverer")}
        with together(kafka, moving, newer):
            wait_until(both_wrote, WITHIN_S)
            wait_until(lambda: logged(database) == sent, WITHIN_S)  # by the older status

            # A writer ahead of its announcement: its readers wait for it.
            unheard = grown(Event, "later")
            produce(kafka, EVENTS, (f"evt_{sent}", by(unheard, sent)))
            until = time.monotonic() + 2
            wait_until(lambda: time.monotonic() > until)
            note = SchemaNote(fingerprint=unheard.fingerprint.hex(), text=unheard.text)
            put(kafka, note)
            sent += 1
            wait_until(lambda: logged(database) == sent, WITHIN_S)
    # Rolled back, or on: either version alone goes on with what both have written.
    with together(kafka, services, newer, ready=False):
        send(24, old_schema, new_schema)
        wait_until(lambda: logged(database) == sent, WITHIN_S)
    assert read_all(kafka, DEAD) == []
    assert Counter(receiver.ids()) == {f"evt_{number}": 1 for number in range(sent)}
    expected = {delivery_id(LANES[n % len(LANES)], f"evt_{n}") for n in range(sent)}
    outcomes = [seen.value for seen in read_all(kafka, OUTCOMES, _codec())]
    assert {o.delivery for o in outcomes if isinstance(o, Outcome)} == expected


def _codec() -> Codec:
    """Reads what both versions write."""
    known = {grown(cls).fingerprint: grown(cls) for cls in CHANGED}
    return Codec(known.get)
