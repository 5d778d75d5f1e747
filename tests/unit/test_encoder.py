"""Our Avro writer against fastavro's: the same bytes for every record there can be."""

import io
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, inspect

from hookstream.model.records import Event
from hookstream.stream import schemas
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

    @given(values(inspect.type_info(cls)))
    def check(record: Struct) -> None:
        assert write(record) == by_fastavro(record)

    check()


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
