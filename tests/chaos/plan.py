"""What is broken, and when: the same seed gives the same plan. Pure."""

import random
from collections.abc import Iterator
from typing import NamedTuple

FAULT_POINTS = ("outcome acknowledged", "successor acknowledged")
REPLICATED = ("router", "deliverer", "retry", "status")
IN_SHORT = ("router", "deliverer")
"""Of which the short form has two; two of all take ten seconds longer to start."""
APART_S = (5.0, 9.0)
FIRST_S, REST_S = 3.0, 15.0
SETTLES_S = 14.0
"""Nothing more happens to the same kind of process for so long after a fault is over."""


class Step(NamedTuple):
    """At `at_s` from the beginning; `lasts_s`: how long it is stopped, away or there."""

    at_s: float
    kind: str
    target: str
    lasts_s: float = 0.0
    point: str = ""
    """Of `dies`: the step of a turn after which it kills itself."""

    @property
    def service(self) -> str:
        """What is not broken again before this is over."""
        return self.target.partition("-")[0]


class _Card(NamedTuple):
    kind: str
    service: str
    lasts_s: float = 0.0
    point: str = ""


DECK = (
    *(_Card("kill", service) for service in (*REPLICATED, "deliverer", "ingest", "console")),
    *(_Card("dies", "deliverer", point=point) for point in FAULT_POINTS),
    _Card("kill twice", "deliverer"),
    _Card("kill both", "deliverer"),
    *(_Card("stop", service, 60.0) for service in ("deliverer", "status")),
    *(_Card("stop", service, 20.0) for service in ("router", "retry", "deliverer")),
    _Card("stop", "deliverer", 4.0),
    *(_Card("add", service, 20.0) for service in ("deliverer", "router", "retry")),
    _Card("restart", "deliverer"),
    _Card("kill", "kafka", 15.0),
    _Card("kill", "kafka", 30.0),
    _Card("stop", "kafka", 10.0),
    _Card("away", "postgres", 30.0),
    _Card("away", "postgres", 120.0),
)


def long_plan(seed: int, seconds: float) -> list[Step]:
    """Cards of the deck, shuffled anew each time it is through, until the time is up."""
    chance = random.Random(seed)
    free_s: dict[str, float] = {}
    steps: list[Step] = []
    now_s = FIRST_S
    for card in _dealt(chance):
        now_s = max(now_s, free_s.get(card.service, 0.0))
        if now_s + card.lasts_s > seconds - REST_S:
            return sorted(steps)
        steps.append(Step(round(now_s, 1), card.kind, _target(card, chance), *card[2:]))
        free_s[card.service] = now_s + card.lasts_s + SETTLES_S
        now_s += chance.uniform(*APART_S)
    raise AssertionError("cards are dealt without an end")


def short_plan(seed: int) -> list[Step]:
    """At least one fault of each kind within 15 s; which router or deliverer is hit, and after
    which step it dies, is the seed's choice."""
    chance = random.Random(seed)
    one, other = chance.sample((1, 2), 2)
    return [
        Step(1.0, "kill", f"deliverer-{one}"),
        Step(1.5, "kill", "retry"),
        Step(2.0, "kill", "ingest"),
        Step(2.5, "kill", "status"),
        Step(3.0, "away", "postgres", 3.0),
        Step(4.0, "stop", f"deliverer-{other}", 8.0),
        Step(5.0, "add", "retry-3", 4.0),
        Step(6.0, "kill", f"router-{chance.randint(1, 2)}"),
        Step(12.5, "dies", f"deliverer-{one}", point=chance.choice(FAULT_POINTS)),
        Step(14.0, "kill", "kafka-config", 2.0),
    ]


def _dealt(chance: random.Random) -> Iterator[_Card]:
    while True:
        deck = list(DECK)
        chance.shuffle(deck)
        yield from deck


def _target(card: _Card, chance: random.Random) -> str:
    if card.kind == "add":
        return f"{card.service}-3"
    if card.service == "kafka":
        return f"kafka-{chance.choice(('1', '2', '3', 'config'))}"
    if card.service in REPLICATED:
        return f"{card.service}-{chance.randint(1, 2)}"
    return card.service
