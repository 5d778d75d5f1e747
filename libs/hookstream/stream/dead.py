"""Dead letters: what could not be read or had to be refused, and why. Never a failed delivery."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from hookstream.model.records import Dead, Delivery, Event
from hookstream.stream.codec import Codec, RegistryUnavailable, Undecodable, UnknownSchema
from hookstream.stream.gap import Gap
from hookstream.stream.patience import Patience
from hookstream.stream.record import Record
from hookstream.stream.table import ConfigUnreachable
from hookstream.stream.topics import DEAD
from hookstream.stream.writer import Ack, Refused, Writer

RAW_BYTES = 1024 * 1024
KEY_BYTES = 1024
_TEXT = 512
UNKNOWN_SCHEMA_WAIT_S = 30.0
_ASK_EVERY_S = 0.25


class Place(NamedTuple):
    """Where a record stood: on a topic, or in another list, by its number there."""

    topic: str
    partition: int
    offset: int
    key: bytes | None


class DeadLetters:
    """Puts records on the dead topic; each is done once the broker has it. Never blocks."""

    def __init__(self, writer: Writer, codec: Codec, on_dead: Callable[[Dead], None]) -> None:
        self._writer = writer
        self._codec = codec
        self._on_dead = on_dead

    def put(self, record: Record, reason: str, detail: str, event: Event | None = None) -> None:
        """Refuse `record` for good: `reason` is for machines, `detail` for people.

        What is kept of it is cut: a record may be many times as large as a batch that was packed.
        """
        raw = record.raw or (self._codec.encode(record.value) if record.value else b"")
        at = record.assignment
        place = Place(at.topic, at.partition, record.offset, record.key)
        self._refuse(place, raw, reason, detail, event, record.done)

    def put_row(
        self, place: Place, record: Struct, reason: str, detail: str, done: Callable[[], None]
    ) -> None:
        """The same for what never stood on a topic; `done` is called once the broker has it."""
        event = record.event if isinstance(record, Delivery) else record
        known = event if isinstance(event, Event) else None
        self._refuse(place, self._codec.encode(record), reason, detail, known, done)

    def _refuse(
        self,
        place: Place,
        raw: bytes,
        reason: str,
        detail: str,
        event: Event | None,
        done: Callable[[], None],
    ) -> None:
        dead = Dead(
            topic=place.topic,
            partition=place.partition,
            offset=place.offset,
            reason=reason,
            detail=detail[:2000],
            at_ms=time.time_ns() // 1_000_000,
            workspace=event.workspace[:_TEXT] if event else None,
            event=event.id[:_TEXT] if event else None,
            event_type=event.type[:_TEXT] if event else None,
            key=place.key[:KEY_BYTES] if place.key else place.key,
            raw=raw[:RAW_BYTES],
            truncated=len(raw) > RAW_BYTES,
        )
        self._on_dead(dead)
        self._produce(dead, done)

    def lost(self, gap: Gap) -> None:
        """Note what was deleted before it was read: of that there are only the offsets."""
        dead = Dead(
            topic=gap.topic,
            partition=gap.partition,
            offset=gap.start,
            reason="lost",
            detail=str(gap),
            at_ms=time.time_ns() // 1_000_000,
        )
        self._on_dead(dead)
        self._produce(dead, lambda: None)

    def _produce(self, dead: Dead, done: Callable[[], None]) -> None:
        def acked(ack: Ack) -> None:
            if ack.refused is None:
                done()
            elif ack.refused is Refused.TOO_LARGE and dead.raw:
                self._produce(replace(dead, raw=b"", truncated=True), done)
            else:
                self._produce(dead, done)

        key = f"{dead.topic}/{dead.partition}"
        self._writer.produce_soon(DEAD, self._codec.encode(dead), acked, key)


class Decoder:
    """Decodes batches. What cannot be read goes to the dead topic, and the partition goes on.

    kind: what belongs on the topic; any other record of ours is as dead as garbage.
    """

    def __init__(
        self,
        codec: Codec,
        dead: DeadLetters,
        refresh: Callable[[], None],
        kind: type[Struct] = Struct,
    ) -> None:
        self._codec = codec
        self._kind = kind
        self._dead = dead
        self._refresh = refresh
        self._patience = Patience()

    def decode(self, records: Sequence[Record]) -> list[Record]:
        """The records that could be read, with their `value`."""
        return [record for record in records if self._decoded(record)]

    def _decoded(self, record: Record) -> bool:
        try:
            record.value = self._decode(record.raw)
        except Undecodable as error:
            self._dead.put(record, "undecodable", str(error))
            return False
        if not isinstance(record.value, self._kind):
            detail = f"a record named {type(record.value).__name__} does not belong on this topic"
            self._dead.put(record, f"not_{_named(self._kind)}", detail)
            return False
        return True

    def _decode(self, raw: bytes) -> Struct:
        """Waits for an unknown schema: its writer announces it on config first; but not for each
        (`Patience`). Where the registry alone could tell and stays away, it raises: the record is
        kept, not given up."""
        began, asked = time.monotonic(), False
        while True:
            over = time.monotonic() - began > UNKNOWN_SCHEMA_WAIT_S
            try:
                return self._codec.decode(raw)
            except UnknownSchema as error:
                if self._ends(str(error), over, asked):
                    raise
            except RegistryUnavailable:
                if over:
                    raise
            if asked:
                time.sleep(_ASK_EVERY_S)
            asked = self._ask() or asked

    def _ends(self, schema: str, over: bool, asked: bool) -> bool:
        """Whether a record of this schema is dead, now that it is still unknown."""
        if self._patience.is_given_up(schema):
            return True
        now = time.monotonic()
        if over:
            self._patience.in_vain(schema, now)
        return over or (asked and not self._patience.waits(now))

    def _ask(self) -> bool:
        """Read config to its end; whether that was possible."""
        with contextlib.suppress(ConfigUnreachable):
            self._refresh()
            return True
        return False


def _named(kind: type[Struct]) -> str:
    name = kind.__name__.lower()
    return f"an_{name}" if name[0] in "aeiou" else f"a_{name}"
