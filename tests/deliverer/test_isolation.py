"""One receiver cannot slow another (invariant 3), and rates hold: on real Kafka, in one partition.

Counts and ratios only: what came, what was put off, what was booked. Nothing about speed.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import count, pairwise
from time import time_ns

import pytest

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.model.ids import payload_hash
from hookstream.model.policy import Policy, Schedule, Signature
from hookstream.model.records import Delivery, Event, Outcome, Webhook
from hookstream.stream.codec import Codec
from hookstream.stream.deliveries import produce_delivery
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import OUTCOMES
from hookstream.stream.writer import Writer
from tests.deliverer.crowd import Crowd
from tests.fixtures.kafka import delete_topics, prepared, put, read_all, wait_until
from tests.started import Running, together

pytestmark = pytest.mark.alone

WITHIN_S = 60
DEADLINE_MS = 120_000
"""So long that nothing that hangs here ends by itself."""
LATE_S = 0.5
"""On a busy machine a request may start so much after its slot, and the next be in time."""
DELIVERER = {"deliverer": {"SEAL_KEYS": "00" * 32, "EGRESS_ALLOW": "127.0.0.0/8"}}
POLICY = Policy(
    id="patient",
    name="patient",
    schedule=Schedule(kind="fixed", delays_ms=(60_000,), max_requests=2),
    signature=Signature(scheme="none"),
    deadline_ms=DEADLINE_MS,
)
_numbers = count()


class Sending:
    """A deliverer and retry on a Kafka whose topics have one partition; and the receiver."""

    def __init__(self, kafka: KafkaSettings, crowd: Crowd, stack: ExitStack) -> None:
        self.kafka, self.crowd = kafka, crowd
        self._stack = stack
        self._writer = Writer(kafka, "tests", on_fatal=print)
        self._codec = Codec()
        stack.enter_context(together(kafka, {"retry": {}}))
        self.deliverer = self.start()

    def start(self) -> Running:
        return self._stack.enter_context(together(self.kafka, DELIVERER))["deliverer"]

    def webhooks(self, prefix: str, number: int, **more: object) -> list[Webhook]:
        """Made, known, each with a path of its own."""
        made = [self.webhook(f"{prefix}{n}", **more) for n in range(number)]
        put(self.kafka, *made)
        return made

    def webhook(self, name: str, **more: object) -> Webhook:
        fields = {"workspace": "ws", "version": 1, "state": "active", "lane": name}
        fields |= {"url": f"{self.crowd.url}/{name}", "policy": POLICY, "id": name, "name": name}
        return Webhook(**{**fields, **more})  # type: ignore[arg-type]

    def send(self, webhooks: Sequence[Webhook]) -> list[str]:
        """A delivery for each, in this order; their ids."""
        ids: list[str] = []
        acked: list[int] = []
        for hook in webhooks:
            event = Event(
                workspace="ws", id=f"evt_{next(_numbers)}", type="a.b", created_at_ms=0, data=b"{}"
            )
            ids.append(f"del_{event.id}")
            delivery = Delivery(
                id=ids[-1],
                turn=1,
                webhook=hook.id,
                webhook_version=1,
                lane=hook.lane,
                event=event,
                due_at_ms=time_ns() // 1_000_000,
                give_up_at_ms=2**42,
                logged_at_ms=1_700_000_000_000,
            )
            hash_ = payload_hash(event)
            produce_delivery(
                self._writer, self._codec, delivery, hash_, None, 1,
                lambda ack: acked.append(ack.offset),
            )  # fmt: skip
        wait_until(lambda: len(acked) == len(ids), WITHIN_S)
        return ids

    def outcomes(self, webhooks: Sequence[Webhook]) -> list[Outcome]:
        """Theirs, in order."""
        ids = {hook.id for hook in webhooks}
        found = [seen.value for seen in read_all(self.kafka, OUTCOMES)]
        return [o for o in found if isinstance(o, Outcome) and o.webhook in ids]

    def results(self, webhooks: Sequence[Webhook]) -> Counter[str]:
        return Counter(outcome.result for outcome in self.outcomes(webhooks))

    def all_succeeded(self, webhooks: Sequence[Webhook], number: int) -> None:
        """Wait for so many."""
        wait_until(lambda: self.results(webhooks)["succeeded"] >= number, WITHIN_S)
        assert self.results(webhooks)["succeeded"] == number

    def have_come(self, webhooks: Sequence[Webhook], number: int) -> None:
        """Wait till the receiver has had so many requests for them."""
        paths = ["/" + hook.id for hook in webhooks]

        def came() -> bool:
            counted = self.crowd.count()
            return sum(counted[path] for path in paths) >= number

        wait_until(came, WITHIN_S)


@pytest.fixture(scope="module")
def sending(broker: EmbeddedKafka) -> Iterator[Sending]:
    kafka, crowd = prepared(broker, partitions=1), Crowd()
    with ExitStack() as stack:
        stack.callback(delete_topics, kafka)
        stack.callback(crowd.close)
        yield Sending(kafka, crowd, stack)


def paths(webhooks: Sequence[Webhook]) -> list[str]:
    return ["/" + hook.id for hook in webhooks]


def test_one_receiver_cannot_slow_another_though_500_hang_at_nine_tenths_of_the_traffic(
    sending: Sending,
) -> None:
    hung, [good] = sending.webhooks("hung", 500), sending.webhooks("good", 1)
    sending.crowd.hush(*paths(hung))
    sending.send([good])
    sending.have_come([good], 1)
    rounds, each = 25, 20
    for n in range(rounds):
        first = n * each * 9
        others = [hung[k % len(hung)] for k in range(first, first + 9 * each)]
        sending.send([hook for k in range(each) for hook in (good, *others[9 * k : 9 * k + 9])])
        sending.have_come([good], 1 + each * (n + 1))
    sending.all_succeeded([good], 1 + rounds * each)
    assert sending.results([good])["deferred"] == 0
    results = sending.results(hung)
    assert set(results) == {"deferred"}, "not one of them has answered"
    assert results["deferred"] <= 20 * rounds * each * 9
    sending.crowd.hush()
    sending.all_succeeded(hung, rounds * each * 9)


def test_one_receiver_cannot_slow_another_when_300_of_1000_fall_silent_at_once(
    sending: Sending,
) -> None:
    webhooks = sending.webhooks("many", 1000)
    silent, healthy = webhooks[:300], webhooks[300:]
    sending.send(webhooks)
    sending.all_succeeded(webhooks, 1000)
    before = sending.results(healthy)["deferred"]
    sending.crowd.hush(*paths(silent))
    for n in range(3):
        mixed = [webhooks[k * 7 % 1000] for k in range(1000)]
        sending.send(mixed)
        sending.have_come(healthy, 700 * (n + 2))
    sending.all_succeeded(healthy, 4 * 700)
    assert sending.results(healthy)["deferred"] == before
    assert sending.results(silent)["succeeded"] == 300
    wait_until(lambda: sending.results(silent)["deferred"], WITHIN_S)
    sending.crowd.hush()
    sending.all_succeeded(silent, 4 * 300)


def test_rates_are_kept_and_used_also_by_the_next_owner_and_an_edit_moves_what_waits(
    sending: Sending,
) -> None:
    """1,000 into a lane that takes 100 a second; 300 for ten webhooks that share 30; and 40 for one
    whose lane an edit changes while they wait. Meanwhile the deliverer is killed."""
    busy = sending.webhooks("busy", 1, rate_per_s=100.0)
    ten = sending.webhooks("ten", 10, lane="shared", rate_per_s=30.0)
    moved = sending.webhooks("moved", 1, lane="before", rate_per_s=2.0)
    sending.send(busy * 1000 + ten * 30 + moved * 40)
    sending.have_come(ten, 60)
    sending.deliverer.process.kill()
    sending.deliverer.process.wait()
    put(sending.kafka, sending.webhook("moved0", lane="after", version=2))
    sending.deliverer = sending.start()
    sending.all_succeeded(busy, 1000)
    sending.all_succeeded(ten, 300)
    sending.all_succeeded(moved, 40)
    assert sending.results(moved)["rekeyed"] >= 20
    for webhooks, rate in ((busy, 100.0), (ten, 30.0)):
        outcomes = sending.outcomes(webhooks)
        sent = sorted(o.attempt.started_at_ms for o in outcomes if o.attempt is not None)
        for seconds in (2, 4):
            most = max(bisect_left(sent, at + 1000 * seconds) - n for n, at in enumerate(sent))
            assert most <= rate * (seconds + LATE_S)
        put_off = Counter(o.delivery for o in outcomes if o.result == "deferred")
        assert sum(put_off.values()) <= 3 * len(sent)
        assert max(put_off.values()) <= 12
        booked = sorted(
            {o.next_due_at_ms or 0 for o in outcomes if o.turn == 1 and o.next_due_at_ms}
        )
        gaps = sorted(later - earlier for earlier, later in pairwise(booked))
        assert gaps[len(gaps) // 2] <= 1000 / (0.95 * rate) + 1, "booked times follow each other"
