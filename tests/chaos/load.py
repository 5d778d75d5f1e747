"""A steady stream of events through both doors, and which of them were acknowledged.

What is not answered, or answered 503, is in doubt: it is sent again with the same id until it is
acknowledged, as a careful producer would.
"""

import itertools
import threading
import time

import httpx2

from hookstream.model.ids import event_key
from hookstream.model.records import Event
from hookstream.stream.codec import Codec
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import EVENTS
from hookstream.stream.writer import Ack, Writer

PACE_S = 0.05
KINDS = 4
"""Types of events: `t.0` and so on."""
ANSWER_S = 12.0
MOST_UNACKED = 5_000
SETTLE_S = 60.0
_AT = "2026-01-01T00:00:00Z"


def type_of(event: str) -> str:
    """An event's type follows from its id."""
    return f"t.{int(event[1:]) % KINDS}"


class Load:
    """`per_s` events a second, half of them by HTTP, half straight into Kafka."""

    def __init__(
        self, url: str, key: str, kafka: KafkaSettings, workspace: str, per_s: float
    ) -> None:
        self.sent_ns: dict[str, int] = {}
        self.accepted: set[str] = set()
        self.failures: list[str] = []
        self._doubtful: list[str] = []
        self._each_s = 2 / per_s
        self._workspace, self._codec = workspace, Codec()
        self._numbers = itertools.count(1)
        auth = {"authorization": f"Bearer {key}"}
        self._http = httpx2.Client(base_url=url, headers=auth, timeout=ANSWER_S, trust_env=False)
        self._writer = Writer(kafka, "chaos-load", on_fatal=self.failures.append)
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._go, args=(send,), daemon=True)
            for send in (self._by_http, self._by_kafka)
        ]

    def start(self) -> None:
        """Send from now on."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No new events; those in doubt are repeated until all that were sent are accepted."""
        self._over.set()
        for thread in self._threads:
            thread.join(2 * ANSWER_S)
        deadline = time.monotonic() + SETTLE_S
        while self._doubtful and time.monotonic() < deadline:
            self._post(self._doubtful[:20])
        self._writer.flush(max(1.0, deadline - time.monotonic()))
        self._writer.close()
        self._http.close()

    @property
    def unaccepted(self) -> set[str]:
        """What was sent and is still in doubt."""
        return self.sent_ns.keys() - self.accepted

    def _go(self, send: "object") -> None:
        due, owed = time.monotonic(), 0.0
        assert callable(send)
        while not self._over.is_set():
            owed += PACE_S / self._each_s
            send([self._new() for _ in range(int(owed))])
            owed -= int(owed)
            due = max(due + PACE_S, time.monotonic() - 1)
            self._over.wait(max(0.0, due - time.monotonic()))

    def _new(self) -> str:
        id_ = f"e{next(self._numbers)}"
        self.sent_ns[id_] = time.time_ns()
        return id_

    def _by_http(self, ids: list[str]) -> None:
        if ids or self._doubtful:
            self._doubtful += ids
            self._post(self._doubtful[:50])

    def _post(self, ids: list[str]) -> None:
        """One batch; those that are not acknowledged stay in doubt."""
        body = [{"id": i, "type": type_of(i), "data": {"of": i}, "created_at": _AT} for i in ids]
        try:
            answer = self._http.post("/v1/events/batch", json=body)
        except httpx2.TransportError:
            time.sleep(PACE_S)
            return
        if answer.status_code not in {202, 207, 503}:
            self.failures.append(f"{answer.status_code}: {answer.text[:300]}")
        statuses = [answer.status_code] * len(ids)
        if "events" in answer.json():
            statuses = [event["status"] for event in answer.json()["events"]]
        taken = {i for i, status in zip(ids, statuses, strict=True) if status == 202}
        self.accepted |= taken
        self._doubtful = [i for i in self._doubtful if i not in taken]

    def _by_kafka(self, ids: list[str]) -> None:
        for id_ in ids:
            while len(self._writer) > MOST_UNACKED and not self._over.wait(PACE_S):
                pass
            event = Event(
                workspace=self._workspace,
                id=id_,
                type=type_of(id_),
                created_at_ms=0,
                data=b'{"of":"%b"}' % id_.encode(),
            )
            value = self._codec.encode(event)
            self._writer.produce(EVENTS, value, self._acked(id_), key=event_key(event))

    def _acked(self, id_: str) -> "_Accepting":
        return _Accepting(self, id_)


class _Accepting:
    def __init__(self, load: Load, id_: str) -> None:
        self._load, self._id = load, id_

    def __call__(self, ack: Ack) -> None:
        if ack.refused is None:
            self._load.accepted.add(self._id)
        else:
            self._load.failures.append(f"{self._id}: {ack.refused}")
