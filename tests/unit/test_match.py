"""Which webhooks get an event."""

from typing import Any

import pytest

from hookstream.model.match import matches, routes, why_not
from tests.unit.values import a_webhook, an_event


@pytest.mark.parametrize(
    ("patterns", "matched"),
    [
        (("*",), True),
        (("contact.created",), True),
        (("contact.*",), True),
        (("deal.*", "contact.created"), True),
        (("contact",), False),
        (("contact.create",), False),
        (("deal.*",), False),
        ((), False),
    ],
)
def test_patterns(patterns: tuple[str, ...], matched: bool) -> None:
    webhook = a_webhook(events=patterns)
    assert matches(webhook, an_event()) is matched
    assert (why_not(webhook, an_event()) == "") is matched


@pytest.mark.parametrize(
    ("state", "matched"),
    [
        ("active", True),
        ("paused", True),
        ("disabled", True),
        ("unverified", False),
        ("deleted", False),
    ],
)
def test_paused_and_disabled_webhooks_still_get_deliveries(state: Any, matched: bool) -> None:
    assert matches(a_webhook(state=state), an_event()) is matched


def test_an_addressed_event_goes_to_that_webhook_alone_whatever_it_subscribes_to() -> None:
    named, other = a_webhook(name="Crm", events=()), a_webhook(id="wh_2", name="other")
    event = an_event(webhook="CRM")
    assert list(routes([named, other], event)) == [named]
    assert why_not(other, event) == "the event is addressed to CRM alone"


def test_another_workspace_gets_nothing() -> None:
    assert why_not(a_webhook(workspace="ws_2"), an_event()) == "it belongs to another workspace"


@pytest.mark.parametrize(
    ("sources", "source", "matched"),
    [
        ((), None, True),
        ((), "calendar", True),
        (("messaging",), "messaging", True),
        (("messaging", "email"), "email", True),
        (("messaging",), "calendar", False),
        (("messaging",), "Messaging", False),
        (("messaging",), None, False),
    ],
)
def test_o3_sources_restrict_a_webhook_to_events_of_them(
    sources: tuple[str, ...], source: str | None, matched: bool
) -> None:
    webhook, event = a_webhook(sources=sources), an_event(source=source)
    assert matches(webhook, event) is matched
    assert (why_not(webhook, event) == "") is matched


def test_o3_why_not_names_both_sources() -> None:
    webhook = a_webhook(sources=("messaging", "email"))
    assert why_not(webhook, an_event()) == (
        "it takes events of source messaging or email; this one has none"
    )
    assert why_not(webhook, an_event(source="calendar")).endswith("this one has calendar")


def test_what_comes_for_a_webhook_that_must_verify_again_waits_for_it() -> None:
    """W3: a new one gets nothing; one whose URL was changed loses nothing."""
    event = an_event()
    fresh = a_webhook(state="unverified")
    changed = a_webhook(state="unverified", was_verified=True)
    assert why_not(fresh, event) == "it is not verified yet"
    assert list(routes([fresh, changed], event)) == [changed]
    assert why_not(changed, an_event(webhook="other")) == "the event is addressed to other alone"
