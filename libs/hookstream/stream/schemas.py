"""The Avro schemas that this version writes, and all that were ever released.

`schemas/*.avsc` is the contract; `schemas/released/<fingerprint>.avsc` keeps every version whose
bytes may still be on a topic. A fingerprint is CRC-64-AVRO of the canonical form, as hex in wire
order. Canonical form leaves defaults and docs out, so one fingerprint stands for one wire layout.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, cast

import fastavro.schema
from msgspec import Struct

from hookstream.model import records

Parsed = dict[str, Any]
"""A parsed Avro schema, as fastavro reads and writes with it."""

WRITTEN: tuple[type[Struct], ...] = (
    records.Event,
    records.Delivery,
    records.Outcome,
    records.Dead,
    records.Webhook,
    records.EventType,
    records.ApiKey,
    records.Workspace,
    records.Cancellation,
    records.SchemaNote,
    records.GroupNote,
    records.TopicsNote,
    records.SendingNote,
)
"""Every record that stands on a topic; the file of each bears its name in snake case."""


class WriterSchema(NamedTuple):
    """A schema some writer used: its name without namespace, its layout, its fingerprint."""

    name: str
    fingerprint: bytes
    parsed: Parsed
    text: str


def parse(text: str) -> WriterSchema:
    """The schema in `text` (JSON), ready to read with. Raises `ValueError` if it is none."""
    try:
        raw = json.loads(text)
        parsed = cast(Parsed, fastavro.schema.parse_schema(raw))
        canonical = fastavro.schema.to_parsing_canonical_form(raw)
    except (fastavro.schema.SchemaParseException, fastavro.schema.UnknownType, KeyError) as bad:
        raise ValueError(f"not an Avro schema: {bad}") from bad
    crc = fastavro.schema.fingerprint(canonical, "CRC-64-AVRO")
    return WriterSchema(parsed["name"].rpartition(".")[2], bytes.fromhex(crc), parsed, text)


@cache
def current(cls: type[Struct]) -> WriterSchema:
    """The schema this version writes `cls` with."""
    return parse(_folder().joinpath(f"{_snake(cls.__name__)}.avsc").read_text("utf-8"))


@cache
def released() -> dict[bytes, WriterSchema]:
    """All released schemas by fingerprint."""
    found = (parse(f.read_text("utf-8")) for f in _folder().joinpath("released").iterdir())
    return {schema.fingerprint: schema for schema in found}


def _folder() -> Any:
    return files("hookstream").joinpath("schemas")


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
