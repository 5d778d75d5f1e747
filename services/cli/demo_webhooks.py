"""The demo's webhooks: each leads to a receiver with a mood of its own."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from hookstream.model.match import wants
from hookstream.model.records import Event
from services.cli.api import Api

POLICY = {
    "name": "demo",
    "deadline_ms": 1_000,
    "schedule": {"kind": "list", "delays_ms": [250, 500, 1_000, *[2_000] * 8]},
    "give_up_after_ms": 120_000,
}
"""Retries within seconds, where a real policy takes hours."""


class Hook(NamedTuple):
    """One webhook, and what its receiver does."""

    name: str
    mood: str
    """As services/cli/receiver.py reads it."""
    words: str
    events: str = "*"

    @property
    def may_repeat(self) -> bool:
        """Whether its receiver gives cause for more than one request an event."""
        return bool(self.mood) and not self.mood.startswith("slow")


def hooks(sent: Sequence[Event]) -> list[Hook]:
    """Six of them; one subscribes to the most frequent group of types alone."""
    groups = Counter(event.type.partition(".")[0] for event in sent)
    ((group, _),) = groups.most_common(1)
    return [
        Hook("steady", "", "takes everything"),
        Hook("chosen", "", f"takes {group}.* only", f"{group}.*"),
        Hook("slow", "slow=150", "takes 150 ms"),
        Hook("failing", "status=500&fail=8", "500 to the first 8"),
        Hook("limited", "status=429&fail=4&after=1", "429 to the first 4, Retry-After 1 s"),
        Hook("hanging", "hang=3", "never answers the first 3"),
    ]


def create(api: Api, wanted: Sequence[Hook], receiver_url: str, run: str) -> None:
    """The policy and the webhooks; returns when all are published."""
    policy = api.post("/v1/policies", POLICY)["id"]
    for hook in wanted:
        body: dict[str, Any] = {
            "name": hook.name,
            "url": f"{receiver_url}{path(run, hook)}" + (f"?{hook.mood}" if hook.mood else ""),
            "events": [hook.events],
            "policy": policy,
        }
        api.post("/v1/webhooks", body, fine=(201,))


def path(run: str, hook: Hook) -> str:
    """Where its requests arrive: a path of this run alone."""
    return f"/{run}/{hook.name}"


def expected(hook: Hook, sent: Sequence[Event]) -> list[Event]:
    """The events that must reach it."""
    return [event for event in sent if wants([hook.events], event.type)]
