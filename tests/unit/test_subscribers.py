"""What the router remembers of who gets an event is what `match` says, for every event."""

import itertools
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from hookstream.model.config import Config, key_of
from hookstream.model.ids import operational_id
from hookstream.model.match import routes
from hookstream.model.operational import FAILING, SOURCE
from hookstream.model.records import Event, Webhook
from services.router.subscribers import Subscribers
from tests.unit.values import a_webhook, an_event

HOOKS = [
    a_webhook(id="all", events=("*",)),
    a_webhook(id="messages", sources=("messaging",)),
    a_webhook(id="both", sources=("messaging", "email"), events=("contact.*",)),
    a_webhook(id="ops", events=("webhook.*",)),
    a_webhook(id="ops_too", events=("webhook.failing", "contact.*"), sources=(SOURCE,)),
    a_webhook(id="theirs", workspace="ws_2"),
]


def told(about: str) -> Event:
    return an_event(
        id=operational_id(about, 1, FAILING), type=FAILING, subject=about, source=SOURCE
    )


EVENTS = [
    *(
        an_event(type=type_, source=source, subject=subject)
        for type_, source, subject in itertools.product(
            ("contact.created", "webhook.failing", "deal.won"),
            (None, "messaging", "email", "invented", SOURCE),
            (None, "all", "ops"),
        )
    ),
    *map(told, ("all", "ops", "ops_too", "gone")),
]


def by_id(webhooks: Iterable[Webhook]) -> list[Webhook]:
    return sorted(webhooks, key=lambda webhook: webhook.id)


def subscribers(*webhooks: Webhook) -> tuple[Subscribers, Config]:
    config = Config()
    for webhook in webhooks:
        config.apply(key_of(webhook), webhook)
    return Subscribers(config), config


def test_the_answer_is_that_of_match_in_whatever_order_events_come() -> None:
    ours = [hook for hook in HOOKS if hook.workspace == "ws_1"]
    for events in (EVENTS, EVENTS[::-1]):
        found, _ = subscribers(*HOOKS)
        for event in [*events, *events]:
            assert by_id(found.of(event)) == by_id(routes(ours, event)), event


def test_sources_that_no_webhook_names_make_no_answers_of_their_own() -> None:
    found, _ = subscribers(*HOOKS)
    first = found.of(an_event(source="a"))
    assert all(found.of(an_event(source=f"s{n}")) is first for n in range(100))


def test_a_changed_webhook_is_known_to_take_other_sources() -> None:
    found, config = subscribers(a_webhook(sources=("messaging",)))
    event = an_event(source="email")
    assert not found.of(event)
    after = a_webhook(sources=("email",), version=2)
    config.apply(key_of(after), after)
    found.changed(key_of(after), after)
    assert list(found.of(event)) == [after]


EDITS = st.builds(
    a_webhook,
    id=st.sampled_from(["w1", "w2", "w3"]),
    name=st.sampled_from(["one", "ONE", "two"]),
    workspace=st.sampled_from(["ws_1", "ws_2"]),
    state=st.sampled_from(["active", "paused", "deleted", "unverified"]),
    events=st.lists(st.sampled_from(["*", "contact.*", "contact.created", "deal.won"]), max_size=3),
    sources=st.lists(st.sampled_from(["messaging", "email"]), max_size=2).map(tuple),
)
ASKED = st.builds(
    an_event,
    type=st.sampled_from(["contact.created", "deal.won", "deal.lost"]),
    source=st.sampled_from([None, "messaging", "email", "invented"]),
    webhook=st.sampled_from([None, None, "one", "Two", "three"]),
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(EDITS | ASKED | st.sampled_from(["w1", "w2"]), max_size=30))
def test_after_any_edits_the_index_says_what_match_says(steps: list[Webhook | Event | str]) -> None:
    found, config = subscribers()
    for step in steps:
        if isinstance(step, Event):
            right = routes(config.webhooks.values(), step)
            assert by_id(found.of(step)) == by_id(right)
            continue
        key, record = (
            (key_of(step), step) if isinstance(step, Webhook) else (f"webhook/{step}", None)
        )
        config.apply(key, record)
        found.changed(key, record)
