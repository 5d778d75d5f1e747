"""Avro on the wire: both framings, every record, old bytes and new (design: *Avro on the wire*)."""

import io
import json
from typing import Any

import fastavro
import msgspec
import pytest
from fastavro import utils as samples
from msgspec import Struct

from hookstream.model.records import Attempt, Delivery, Event, Response
from hookstream.stream import schemas
from hookstream.stream.codec import Codec, Undecodable, UnknownSchema

EVENT = Event(workspace="ws", id="evt_1", type="a.b", created_at_ms=5, data=b'{"price":1.10}')
DELIVERY = Delivery(
    id="d",
    turn=2,
    webhook="w",
    webhook_version=3,
    lane="w",
    event=EVENT,
    due_at_ms=1,
    give_up_at_ms=2,
    logged_at_ms=0,
    attempts=(Attempt(started_at_ms=1, duration_ms=2, status=500),),
)


def test_a_record_comes_back_as_it_was() -> None:
    codec = Codec()
    assert codec.decode(codec.encode(DELIVERY)) == DELIVERY


def test_single_object_encoding_is_what_the_avro_specification_says() -> None:
    raw = Codec().encode(EVENT)
    canonical = fastavro.schema.to_parsing_canonical_form(json.loads(schemas.current(Event).text))
    fingerprint = bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
    assert raw[:10] == b"\xc3\x01" + fingerprint
    datum: Any = fastavro.schemaless_reader(io.BytesIO(raw[10:]), schemas.current(Event).parsed)
    assert datum["data"] == b'{"price":1.10}'


def test_with_a_registry_records_are_written_in_confluents_format_and_read_in_both() -> None:
    codec = Codec(numbered={1: schemas.current(Event)}.get)
    codec.number(Event, 1)
    raw = codec.encode(EVENT)
    assert raw[:5] == b"\x00\x00\x00\x00\x01"
    assert codec.decode(raw) == EVENT
    assert codec.decode(Codec().encode(EVENT)) == EVENT


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"\xc3\x01",
        b"\x00\x00",
        Codec().encode(EVENT)[:-1],
        Codec().encode(EVENT) + b"x",
        Codec().encode(EVENT)[:10],
    ],
    ids=["empty", "text", "no fingerprint", "no id", "cut", "longer", "header only"],
)
def test_what_is_no_record_of_ours_is_undecodable(raw: bytes) -> None:
    with pytest.raises(Undecodable):
        Codec().decode(raw)


def test_an_unknown_fingerprint_is_looked_up_among_the_announced_schemas() -> None:
    newer = json.loads(schemas.current(Event).text)
    newer["fields"].append({"name": "priority", "type": "long", "default": 0})
    announced = schemas.parse(json.dumps(newer))
    body = io.BytesIO()
    body.write(b"\xc3\x01" + announced.fingerprint)
    datum = msgspec.to_builtins(EVENT, builtin_types=(bytes,)) | {"priority": 7}
    fastavro.schemaless_writer(body, announced.parsed, datum)
    with pytest.raises(UnknownSchema):
        Codec().decode(body.getvalue())
    known = {announced.fingerprint: announced}
    assert Codec(known.get).decode(body.getvalue()) == EVENT


@pytest.mark.parametrize("cls", schemas.WRITTEN, ids=lambda cls: cls.__name__)
def test_every_record_has_a_released_schema_with_its_fields(cls: type[Struct]) -> None:
    current = schemas.current(cls)
    assert schemas.released()[current.fingerprint].name == cls.__name__
    assert [f["name"] for f in current.parsed["fields"]] == list(cls.__struct_fields__)


@pytest.mark.parametrize("cls", schemas.WRITTEN, ids=lambda cls: cls.__name__)
def test_whatever_was_released_is_read_by_todays_code_and_the_other_way_round(
    cls: type[Struct],
) -> None:
    current = schemas.current(cls)
    for old in schemas.released().values():
        if old.name != cls.__name__:
            continue
        for writer, reader in ((old, current), (current, old)):
            for datum in samples.generate_many(writer.parsed, 20):
                body = io.BytesIO()
                fastavro.schemaless_writer(body, writer.parsed, datum)
                body.seek(0)
                fastavro.schemaless_reader(body, writer.parsed, reader.parsed)


def test_bytes_reach_the_log_uncut() -> None:
    response = Response(status=200, headers=(("a", "b"),), body=bytes(range(256)))
    assert msgspec.to_builtins(response, builtin_types=(bytes,))["body"] == bytes(range(256))
