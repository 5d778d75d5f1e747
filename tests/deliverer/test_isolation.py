"""One receiver cannot slow another (invariant 3), and rates hold: on real Kafka, in one partition.

Counts and ratios only: what came, what was put off, what was booked. Nothing about speed.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from contextlib import ExitStack
from itertools import count, cycle, islice, pairwise
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

WITHIN_S = 120
DEADLINE_MS = 600_000
"""So long that nothing that hangs here ends by itself."""
LATE_S = 0.5
"""On a busy machine a request may start so much after its slot, and the next be in time."""
SLOTS = 480
"""Fewer than 500 that hang would take with a request each, or 300 with two: without shares the
process would be full, and read nothing more."""
AT_A_TIME = 60
"""So few of the healthy are sent for at once that what is left of the slots is enough for them,
even if this machine makes all of them slow."""
DELIVERER = {
    "deliverer": {
        "SEAL_KEYS": "00" * 32,
        "EGRESS_ALLOW": "127.0.0.0/8",
        "DELIVERER_SLOTS": str(SLOTS),
    }
}
POLICY = Policy(
    id="patient",
    name="patient",
    schedule=Schedule(max_requests=1),
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

    def started_ms(self, webhooks: Sequence[Webhook]) -> list[int]:
        """When each request for them went out."""
        attempts = [outcome.attempt for outcome in self.outcomes(webhooks)]
        return sorted(attempt.started_at_ms for attempt in attempts if attempt is not None)

    def results(self, webhooks: Sequence[Webhook]) -> Counter[str]:
        return Counter(outcome.result for outcome in self.outcomes(webhooks))

    def all_succeeded(self, webhooks: Sequence[Webhook], number: int) -> None:
        """Wait for so many."""
        wait_until(lambda: self.results(webhooks)["succeeded"] >= number, WITHIN_S)
        assert self.results(webhooks)["succeeded"] == number

    def have_come(self, webhooks: Sequence[Webhook], number: int) -> None:
        """Wait till the receiver has had so many requests for them."""
        wait_until(lambda: self.came(webhooks) >= number, WITHIN_S)

    def came(self, webhooks: Sequence[Webhook]) -> int:
        """How many requests the receiver has had for them."""
        counted = self.crowd.count()
        return sum(counted[path] for path in paths(webhooks))

    def send_and_see(self, webhooks: Sequence[Webhook], answering: Set[str]) -> None:
        """A delivery for each, some at a time: the next when those who answer have had theirs."""
        for first in range(0, len(webhooks), AT_A_TIME):
            part = webhooks[first : first + AT_A_TIME]
            awaited = [hook for hook in part if hook.id in answering]
            theirs = list({hook.id: hook for hook in awaited}.values())
            before = self.came(theirs)
            self.send(part)
            self.have_come(theirs, before + len(awaited))

    def are_noticed(self, silent: Sequence[Webhook]) -> None:
        """Send them more than they may have open, till one is put off because it is silent."""
        self.send([hook for hook in silent for _ in range(3)])
        wait_until(
            lambda: any(o.reason == "not_answering" for o in self.outcomes(silent)), WITHIN_S
        )


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
    """Each of them was refused once, so all are suspects. They hang in an eighth of the slots: what
    is left serves one that answers, and many of whom nothing is known yet."""
    hung, [good] = sending.webhooks("hung", 500), sending.webhooks("good", 1)
    new = sending.webhooks("new", 20)
    sending.crowd.refused = frozenset(paths(hung))
    sending.send([good, *hung])
    wait_until(lambda: sending.results(hung)["failed"] == len(hung), WITHIN_S)
    sending.crowd.refused = frozenset()
    before, tried = sending.results([good])["deferred"], sending.came(hung)
    sending.crowd.hush(*paths(hung))
    turns = cycle(hung)
    for newcomer in new:
        some = [hook for _ in range(5) for hook in (good, *islice(turns, 9))]
        sending.send_and_see([*some, newcomer], {good.id, newcomer.id})
    sending.all_succeeded([good], 1 + 5 * len(new))
    sending.all_succeeded(new, len(new))
    assert sending.results([good, *new])["deferred"] == before, "none had to wait"
    assert 1 <= sending.came(hung) - tried <= SLOTS // 8, "of those that hang, all still open"
    results = sending.results(hung)
    assert set(results) == {"failed", "deferred"}, "not one of them has answered"
    assert results["deferred"] <= 20 * 45 * len(new)
    sending.crowd.hush()
    sending.all_succeeded(hung, 45 * len(new))


def test_one_receiver_cannot_slow_another_when_300_of_1000_fall_silent_at_once(
    sending: Sending,
) -> None:
    """Each has one request open before it is noticed, and has no slot for the next."""
    webhooks = sending.webhooks("many", 1000)
    mixed = [webhooks[k * 7 % 1000] for k in range(1000)]
    silent, healthy = webhooks[:300], {hook.id for hook in webhooks[300:]}
    answering = [hook for hook in mixed if hook.id in healthy]
    sending.send_and_see(mixed, {hook.id for hook in webhooks})
    sending.all_succeeded(webhooks, 1000)
    before, tried = sending.results(answering)["deferred"], sending.came(silent)
    sending.crowd.hush(*paths(silent))
    sending.send_and_see(mixed, healthy)
    sending.are_noticed([hook for hook in mixed if hook.id not in healthy][-5:])
    for _ in range(2):
        sending.send_and_see(mixed, healthy)
    sending.all_succeeded(answering, 4 * 700)
    assert sending.results(answering)["deferred"] == before
    assert sending.results(silent)["succeeded"] == 300, "the others' were open all the time"
    assert 300 <= sending.came(silent) - tried <= SLOTS * 3 // 4
    sending.crowd.hush()
    sending.all_succeeded(silent, 4 * 300 + 5 * 3)


def test_rates_are_kept_and_used_also_by_the_next_owner_and_an_edit_moves_what_waits(
    sending: Sending,
) -> None:
    """400 into a lane that takes 100 a second; 120 for ten webhooks that share 30; and 80 for one
    whose lane an edit changes while they wait. Meanwhile another deliverer takes over, and one more
    comes for a lane that takes one in ten seconds."""
    busy = sending.webhooks("busy", 1, rate_per_s=100.0)
    ten = sending.webhooks("ten", 10, lane="shared", rate_per_s=30.0)
    moved = sending.webhooks("moved", 1, lane="before", rate_per_s=6.0)
    seldom = sending.webhooks("seldom", 1, rate_per_s=0.1)
    following = sending.start()
    sending.send(seldom)
    sending.have_come(seldom, 1)
    sending.send(busy * 400 + ten * 12 + moved * 80)
    sending.have_come(ten, 30)
    put(sending.kafka, sending.webhook("moved0", lane="after", version=2))
    sending.deliverer.process.terminate()
    sending.deliverer.process.wait(WITHIN_S)
    sending.deliverer = following
    sending.send(seldom)
    sending.all_succeeded(busy, 400)
    sending.all_succeeded(ten, 120)
    sending.all_succeeded(moved, 80)
    sending.all_succeeded(seldom, 2)
    first, second = sending.started_ms(seldom)
    assert second - first >= 10_000, "the next owner cannot know when the last was sent"
    assert sending.results(moved)["rekeyed"] >= 20
    for webhooks, rate in ((busy, 100.0), (ten, 30.0)):
        outcomes, sent = sending.outcomes(webhooks), sending.started_ms(webhooks)
        for seconds in (1, 2):
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
