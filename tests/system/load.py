"""A steady stream of events through both doors, and which of them were acknowledged."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from hookstream.model.records import Event
from hookstream.stream.codec import Codec
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import EVENTS
from hookstream.stream.writer import Ack, Writer
from tests.fixtures.kafka import wait_until

PACE_S = 0.1
EACH = 3
"""Events a door takes each `PACE_S`."""
SETTLED_S = 60
TYPE = "order.paid"
_AT = "2026-01-01T00:00:00Z"
_numbers = itertools.count(1)  # of all loads: an id that came before would be the same event


class Load:
    """Sends events and remembers when; `accepted` are those that were acknowledged."""

    def __init__(self, url: str, key: str, kafka: KafkaSettings, workspace: str) -> None:
        self.sent_ns: dict[str, int] = {}
        self.accepted: set[str] = set()
        self.unknown: set[str] = set()
        """Answered 503: taken or not, to be repeated with the same id."""
        self.answers: list[tuple[int, float]] = []
        """Status and duration in seconds of each request."""
        self._workspace, self._codec = workspace, Codec()
        self._lock = threading.Lock()
        auth = {"authorization": f"Bearer {key}"}
        self._http = httpx2.Client(base_url=url, headers=auth, timeout=30, trust_env=False)
        self._writer = Writer(kafka, "tests-load", on_fatal=self._failed)
        self._fatal: list[str] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send through both doors for as long as the block lasts."""
        over = threading.Event()

        def work() -> None:
            while not over.wait(PACE_S):
                self.by_http(EACH)
                self.by_kafka(EACH)

        thread = threading.Thread(target=work, name="load", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(40)
        assert not thread.is_alive()

    def by_http(self, count: int) -> list[str]:
        """A batch of new events; their ids."""
        ids = self._new("h", count)
        self.post(ids)
        return ids

    def post(self, ids: list[str]) -> None:
        """One batch of these; those that ingest is not sure of become `unknown`."""
        body = [{"id": id_, "type": TYPE, "data": {"of": id_}, "created_at": _AT} for id_ in ids]
        begun = time.monotonic()
        answer = self._http.post("/v1/events/batch", json=body)
        self.answers.append((answer.status_code, time.monotonic() - begun))
        statuses = [answer.status_code] * len(ids)
        if "events" in answer.json():
            statuses = [event["status"] for event in answer.json()["events"]]
        for id_, status in zip(ids, statuses, strict=True):
            assert status in {202, 503}, f"{status}: {answer.text}"
            (self.accepted if status == 202 else self.unknown).add(id_)

    def by_kafka(self, count: int) -> list[str]:
        """New events straight into Kafka, acknowledged some time later; their ids."""
        ids = self._new("k", count)
        for id_ in ids:
            self._writer.produce(EVENTS, self._codec.encode(self._event(id_)), self._ack(id_))
        return ids

    def settle(self) -> None:
        """What is unknown is repeated till it is taken, what is on its way acknowledged."""
        wait_until(self._all_taken, SETTLED_S)
        assert self._writer.flush(SETTLED_S)
        assert not self._fatal
        self._writer.close()
        self._http.close()

    def _all_taken(self) -> bool:
        for id_ in sorted(self.unknown - self.accepted):
            self.post([id_])
        return self.unknown <= self.accepted

    def sent_since(self, at_ns: int) -> set[str]:
        """The ids of the events sent after a time."""
        with self._lock:
            return {id_ for id_, sent_ns in self.sent_ns.items() if sent_ns > at_ns}

    @property
    def all_accepted(self) -> bool:
        """Whether nothing that was sent is left in doubt."""
        return self.accepted == self.sent_ns.keys()

    def _new(self, door: str, count: int) -> list[str]:
        ids = [f"{door}{next(_numbers)}" for _ in range(count)]
        with self._lock:
            self.sent_ns |= dict.fromkeys(ids, time.time_ns())
        return ids

    def _event(self, id_: str) -> Event:
        data = b'{"of":"%b"}' % id_.encode()
        return Event(workspace=self._workspace, id=id_, type=TYPE, created_at_ms=0, data=data)

    def _ack(self, id_: str) -> "_Accepting":
        return _Accepting(self.accepted, id_)

    def _failed(self, why: str) -> None:
        self._fatal.append(why)


class _Accepting:
    def __init__(self, accepted: set[str], id_: str) -> None:
        self._accepted, self._id = accepted, id_

    def __call__(self, ack: Ack) -> None:
        assert ack.refused is None, ack.refused
        self._accepted.add(self._id)
