"""What the router remembers of who gets an event is what `match` says, for every event."""

import itertools

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
            assert list(found.of(event)) == list(routes(ours, event)), event


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
