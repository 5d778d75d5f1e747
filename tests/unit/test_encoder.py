"""Our Avro writer and reader against fastavro's: the same bytes and values for every record."""

import contextlib
import io
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct, inspect

from hookstream.model.records import Delivery, Event, Outcome
from hookstream.stream import schemas
from hookstream.stream.codec import Codec, Undecodable
from hookstream.stream.decoder import decoder
from hookstream.stream.encoder import encoder
from tests.unit.values import an_event

LONGS = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-70, 70)
PLAIN: dict[type, st.SearchStrategy[Any]] = {
    inspect.IntType: LONGS,
    inspect.StrType: st.text(max_size=80),
    inspect.BytesType: st.binary(max_size=80),
    inspect.BoolType: st.booleans(),
    inspect.FloatType: st.floats(allow_nan=False),
    inspect.NoneType: st.none(),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type, as msgspec describes it."""
    if type(kind) in PLAIN:
        return PLAIN[type(kind)]
    if isinstance(kind, inspect.LiteralType):
        return st.sampled_from(kind.values)
    if isinstance(kind, inspect.UnionType):
        return st.one_of([values(each) for each in kind.types])
    if isinstance(kind, inspect.VarTupleType):
        return st.lists(values(kind.item_type), max_size=3).map(tuple)
    if isinstance(kind, inspect.TupleType):
        return st.tuples(*map(values, kind.item_types))
    if isinstance(kind, inspect.DictType):
        return st.dictionaries(values(kind.key_type), values(kind.value_type), max_size=3)
    assert isinstance(kind, inspect.StructType), kind
    return st.builds(kind.cls, **{field.name: values(field.type) for field in kind.fields})


def by_fastavro(record: Struct) -> bytes:
    out = io.BytesIO()
    datum = msgspec.to_builtins(record, builtin_types=(bytes,))
    fastavro.schemaless_writer(out, schemas.current(type(record)).parsed, datum)
    return out.getvalue()


@pytest.mark.parametrize("cls", schemas.WRITTEN, ids=lambda cls: cls.__name__)
def test_it_writes_what_fastavro_writes(cls: type[Struct]) -> None:
    write = encoder(schemas.current(cls).parsed)

    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # wide records, any CPU
    @given(values(inspect.type_info(cls)))
    def check(record: Struct) -> None:
        assert write(record) == by_fastavro(record)

    check()


@pytest.mark.parametrize("cls", schemas.WRITTEN, ids=lambda cls: cls.__name__)
def test_it_reads_what_fastavro_reads(cls: type[Struct]) -> None:
    parsed = schemas.current(cls).parsed
    read = decoder(parsed)

    @given(values(inspect.type_info(cls)))
    def check(record: Struct) -> None:
        raw = b"head" + by_fastavro(record)
        datum = fastavro.schemaless_reader(io.BytesIO(raw[4:]), parsed, None)
        assert read(raw, 4) == (datum, len(raw))

    check()


@given(st.binary(max_size=40), st.sampled_from([Event, Delivery, Outcome]), st.data())
def test_what_was_cut_or_changed_is_undecodable_or_a_record(
    more: bytes, cls: type[Struct], data: st.DataObject
) -> None:
    raw = Codec().encode(data.draw(values(inspect.type_info(cls))))
    at = data.draw(st.integers(10, len(raw)))
    with contextlib.suppress(Undecodable):
        assert isinstance(Codec().decode(raw[:at] + more), cls)
    if at < len(raw):
        with pytest.raises(Undecodable):
            Codec().decode(raw[:at])


def test_arrays_in_blocks_that_say_their_size_and_other_forms() -> None:
    array = {"type": "array", "items": "long"}
    raw = b"\x03\x04\x02\x04\x02\x06\x00"
    assert fastavro.schemaless_reader(io.BytesIO(raw), array, None) == [1, 2, 3]
    assert decoder(array)(raw, 0) == ([1, 2, 3], len(raw))
    with pytest.raises(ValueError, match="negative"):
        decoder("string")(b"\x01", 0)
    with pytest.raises(ValueError, match="without an end"):
        decoder("long")(b"\xff" * 12, 0)
    with pytest.raises(TypeError, match="union"):
        decoder({"type": "record", "name": "x", "fields": [{"name": "a", "type": ["string"]}]})
    with pytest.raises(TypeError, match="enum"):
        decoder({"type": "enum", "name": "x", "symbols": []})


def test_what_has_no_place_in_the_schema_is_refused_and_never_cut_short() -> None:
    write = encoder(schemas.current(Event).parsed)
    with pytest.raises(TypeError):
        write(an_event(type=None))
    with pytest.raises(OverflowError, match="64-bit"):
        write(an_event(created_at_ms=1 << 63))
    with pytest.raises(TypeError, match="union"):
        encoder({"type": "record", "name": "x", "fields": [{"name": "a", "type": ["string"]}]})
    with pytest.raises(TypeError, match="enum"):
        encoder({"type": "enum", "name": "x", "symbols": []})
