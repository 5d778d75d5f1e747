"""Records to bytes and back: Avro in one of two framings, told apart by the first byte.

Without a registry: Avro single-object encoding (`C3 01`, fingerprint). With one: Confluent's wire
format (`00`, schema id). Readers take both, always.
"""

import io
from collections.abc import Callable

import fastavro
import msgspec
from msgspec import Struct

from hookstream.stream import schemas
from hookstream.stream.decoder import Read, decoder
from hookstream.stream.encoder import Write, encoder
from hookstream.stream.schemas import WriterSchema

_SINGLE_OBJECT = b"\xc3\x01"
_CONFLUENT = b"\x00"
_BY_NAME: dict[str, type[Struct]] = {cls.__name__: cls for cls in schemas.WRITTEN}


_Writer = tuple[bytes, Write]
"""How a class is written: what stands before each record, and what follows."""
_Reader = tuple[Read, type[Struct]]
"""How a writer's schema is read: its values, and the class they become."""


class Undecodable(Exception):
    """These bytes are no record of ours; they belong on the dead topic."""


class UnknownSchema(Undecodable):
    """Written with a schema nobody has told us of yet; the config topic may, soon."""


class RegistryUnavailable(Exception):
    """Only the schema registry could tell what these bytes are, and it does not answer. Nothing is
    wrong with them: they wait."""


class Codec:
    """Encodes with this version's schemas, decodes whatever any version wrote.

    `announced` looks a fingerprint up among the schemas that writers put on the config topic,
    `numbered` an id of the schema registry.
    """

    def __init__(
        self,
        announced: Callable[[bytes], WriterSchema | None] = lambda _: None,
        numbered: Callable[[int], WriterSchema | None] = lambda _: None,
    ) -> None:
        self._announced = announced
        self._numbered = numbered
        self._ids: dict[type[Struct], int] = {}
        self._writers: dict[type[Struct], _Writer] = {}
        self._readers: dict[bytes, _Reader] = {}

    def number(self, cls: type[Struct], schema_id: int) -> None:
        """From now on write `cls` in Confluent's format, with the registry's id of its schema."""
        self._ids[cls] = schema_id
        self._writers.pop(cls, None)

    def encode(self, record: Struct) -> bytes:
        """The bytes of `record`, framed."""
        cls = type(record)
        prefix, write = self._writers.get(cls) or self._writer(cls)
        return prefix + write(record)

    def decode(self, raw: bytes) -> Struct:
        """The record in `raw`. Raises `UnknownSchema`, `Undecodable` or `RegistryUnavailable`."""
        if raw[:2] == _SINGLE_OBJECT:
            key = raw[2:10]
            return _read(raw, 10, self._readers.get(key) or self._reader(key, self._by_print(key)))
        if raw[:1] == _CONFLUENT and len(raw) >= 5:
            key = raw[1:5]
            return _read(raw, 5, self._readers.get(key) or self._reader(key, self._by_id(key)))
        raise Undecodable("neither Avro single-object encoding nor Confluent's wire format")

    def _writer(self, cls: type[Struct]) -> _Writer:
        schema = schemas.current(cls)
        prefix = _SINGLE_OBJECT + schema.fingerprint
        if cls in self._ids:
            prefix = _CONFLUENT + self._ids[cls].to_bytes(4, "big")
        self._writers[cls] = prefix, encoder(schema.parsed)
        return self._writers[cls]

    def _reader(self, key: bytes, schema: WriterSchema) -> _Reader:
        """How the records of a writer's schema are read from now on."""
        cls = _BY_NAME.get(schema.name)
        if cls is None:
            raise UnknownSchema(f"no reader for records named {schema.name}")
        ours = schemas.current(cls)
        is_ours = schema.fingerprint == ours.fingerprint
        read = decoder(ours.parsed) if is_ours else _resolving(schema, ours)
        self._readers[key] = read, cls
        return self._readers[key]

    def _by_print(self, fingerprint: bytes) -> WriterSchema:
        schema = schemas.released().get(fingerprint) or self._announced(fingerprint)
        if schema is None:
            raise UnknownSchema(f"no schema with fingerprint {fingerprint.hex()}")
        return schema

    def _by_id(self, key: bytes) -> WriterSchema:
        schema_id = int.from_bytes(key, "big")
        schema = self._numbered(schema_id)
        if schema is None:
            raise UnknownSchema(f"no schema with id {schema_id} is known")
        return schema


def _read(raw: bytes, start: int, reader: _Reader) -> Struct:
    read, cls = reader
    try:
        datum, end = read(raw, start)
        if end != len(raw):
            raise Undecodable(f"it ends at {end} of {len(raw)} bytes")
        return msgspec.convert(datum, cls)
    except Undecodable:
        raise
    except Exception as error:  # fastavro raises whatever the bytes lead it to
        raise Undecodable(f"not a {cls.__name__}: {error!r}"[:500]) from error


def _resolving(schema: WriterSchema, ours: WriterSchema) -> Read:
    """Reads what another version wrote, as Avro resolves one schema into another."""

    def read(raw: bytes, start: int) -> tuple[object, int]:
        body = io.BytesIO(raw)
        body.seek(start)
        return fastavro.schemaless_reader(body, schema.parsed, ours.parsed), body.tell()

    return read
