"""Before the first record: topics checked, schemas announced, the consumer group started."""

import contextlib
import threading
from collections.abc import Callable

from confluent_kafka import KafkaException
from msgspec.structs import replace

from hookstream.model.config import key_of
from hookstream.model.records import GroupNote, SchemaNote, SendingNote, TopicsNote
from hookstream.stream import schemas
from hookstream.stream.codec import RegistryUnavailable
from hookstream.stream.groups import OffsetsMissing, start_group
from hookstream.stream.registry import NUMBERED, Incompatible, SchemaRegistry
from hookstream.stream.schemas import WriterSchema
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import ConfigUnreachable, Table
from hookstream.stream.topics import CONFIG, partition_counts
from hookstream.stream.writer import Ack, Full, Writer

_WITHIN_S = 15.0
Schema = WriterSchema | None


class NotReady(Exception):
    """This service cannot start as things are; the text says what would do."""


Note = SchemaNote | GroupNote | TopicsNote | SendingNote
NOT_NOW = (NotReady, OffsetsMissing, ConfigUnreachable, KafkaException)
"""What a start waits out: a person or time will mend it, a new process would not."""


def partitions(table: Table, topic: str) -> int:
    """N of one topic, as config has it. Raises `NotReady` before `hookstream topics apply`."""
    noted = table.config.topics
    if noted is None or topic not in noted.partitions:
        raise NotReady(f"config does not know topic {topic}: run `hookstream topics apply`")
    return noted.partitions[topic]


def check_partitions(kafka: KafkaSettings, noted: TopicsNote | None) -> None:
    """Another count of partitions than config's would scatter lanes: refuse to start."""
    if noted is None:
        raise NotReady("no topics noted in config: run `hookstream topics apply`")
    there, growing = partition_counts(kafka).partitions, noted.growing
    wrong = {
        t: (n, there.get(t))
        for t, n in noted.partitions.items()
        if there.get(t) not in (n, growing.get(t, n))  # a resize under way may have grown them
    }
    if wrong:
        told = ", ".join(f"{t}: config says {n}, Kafka has {m}" for t, (n, m) in wrong.items())
        raise NotReady(f"partitions differ ({told}): `hookstream topics resize` moves them")


def announce_schemas(table: Table, writer: Writer) -> None:
    """Put the schemas this version writes on config first, so that older readers can follow."""
    ours = [schemas.current(cls) for cls in schemas.WRITTEN]
    missing = [s for s in ours if s.fingerprint.hex() not in table.config.schemas]
    for schema in missing:
        note(table, writer, SchemaNote(fingerprint=schema.fingerprint.hex(), text=schema.text))
    if missing:
        table.catch_up()


def number_schemas(registry: SchemaRegistry, table: Table, writer: Writer) -> list[str]:
    """Have the registry number what we write, and note the ids on config. Why it could not, a line
    each: such records are written with the id that config has, else with their fingerprint.
    """
    missing = []
    for cls in NUMBERED:
        known = table.config.schemas[schemas.current(cls).fingerprint.hex()]
        ids = known.registry_ids
        try:
            id_ = registry.register(cls)
        except RegistryUnavailable as error:
            missing.append(str(error))
            if not ids:
                continue
            id_ = ids[-1]
        except Incompatible as error:
            raise NotReady(f"the schema registry refuses {error}") from error
        table.codec.number(cls, id_)
        if id_ not in ids:
            note(table, writer, replace(known, registry_ids=(*ids, id_)))
    return missing


def learn(registry: SchemaRegistry, table: Table, writer: Writer) -> Callable[[int], Schema]:
    """Asks the registry for an id, and notes on config what it says, for when it is away."""

    def look_up(schema_id: int) -> Schema:
        found = registry.schema(schema_id)
        if found is not None:
            fingerprint = found.fingerprint.hex()
            known = table.config.schemas.get(fingerprint)
            known = known or SchemaNote(fingerprint=fingerprint, text=found.text)
            told = replace(known, registry_ids=(*known.registry_ids, schema_id))
            with contextlib.suppress(Full):  # the next who meets it notes it
                writer.produce(CONFIG, table.codec.encode(told), _ignored, key=key_of(told))
        return found

    return look_up


def _ignored(_: Ack) -> None:
    """What is not on config yet is asked for again."""


def join_group(kafka: KafkaSettings, table: Table, writer: Writer, group: str, *read: str) -> None:
    """Start the group if it never ran; refuse if it ran and its offsets are gone (once.md 3)."""
    counts = {topic: partitions(table, topic) for topic in read}
    wanted = GroupNote(group=group, partitions=counts)
    if start_group(kafka, table.config.groups.get(group), wanted):
        note(table, writer, wanted)


def note(table: Table, writer: Writer, record: Note) -> None:
    """Write one record to config and wait for the broker's ack."""
    acked = threading.Event()

    def answered(ack: Ack) -> None:
        if ack.refused is None:
            acked.set()

    key = key_of(record)
    writer.produce(CONFIG, table.codec.encode(record), answered, key=key)
    if not acked.wait(_WITHIN_S):
        raise NotReady(f"Kafka did not take {key} within {_WITHIN_S:.0f} s")
