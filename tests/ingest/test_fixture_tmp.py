import time
from hookstream.model.records import Workspace, Event
from hookstream.stream.codec import Codec
from tests.fixtures.kafka import *
from hookstream.stream.topics import *
def test_a(kafka):
    t=time.time()
    put(kafka, Workspace(id="ws", version=1, name="x"))
    print("put", time.time()-t)
    produce(kafka, EVENTS, ("a", Codec().encode(Event(workspace="a", id="b", type="t", created_at_ms=1, data=b"{}"))), (None, b"x"))
    t=time.time()
    read_all(kafka, EVENTS);print(time.time()-t); read_all(kafka, CONFIG)
    print("read", time.time()-t)
def test_b(kafka):
    assert read_all(kafka, EVENTS)==[]
def test_b3(kafka):
    test_b(kafka);test_a(kafka)
def test_b4(kafka):
    test_b(kafka);test_a(kafka)
def test_b5(kafka):
    test_b(kafka);test_a(kafka)
def test_b6(kafka):
    test_b(kafka);test_a(kafka)
