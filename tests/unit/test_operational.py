"""Operational events: who is told, and of what never."""

import pytest

from hookstream.model.checks import check
from hookstream.model.ids import operational_id
from hookstream.model.match import matches, why_not
from hookstream.model.operational import FAILING, SOURCE, TYPES, is_operational
from hookstream.model.records import Event
from tests.unit.values import a_webhook, a_workspace, an_event


def told(about: str = "wh_2", type_: str = FAILING, **more: object) -> Event:
    made = operational_id(about, 7, type_)
    return an_event(id=made, type=type_, subject=about, source=SOURCE, **more)


@pytest.mark.parametrize(
    ("patterns", "gets_it"),
    [
        (("webhook.failing",), True),
        (("webhook.*",), True),
        (("contact.*", "webhook.*"), True),
        (("*",), False),
        (("webhook.disabled",), False),
        (("delivery.*",), False),
        (("w*",), False),
        ((), False),
    ],
)
def test_operational_events_must_be_asked_for(patterns: tuple[str, ...], gets_it: bool) -> None:
    webhook = a_webhook(events=patterns)
    assert matches(webhook, told()) is gets_it
    assert bool(why_not(webhook, told())) is not gets_it


@pytest.mark.parametrize("type_", sorted(TYPES))
def test_a_webhook_is_never_told_of_itself(type_: str) -> None:
    webhook = a_webhook(events=("webhook.*", "delivery.*"))
    assert matches(webhook, told(type_=type_))
    assert not matches(webhook, told(webhook.id, type_))
    assert "never told of itself" in why_not(webhook, told(webhook.id, type_))


def test_why_not_says_that_a_star_stands_for_a_products_own_events() -> None:
    assert "by name" in why_not(a_webhook(), told())


def test_a_products_own_event_of_such_a_type_is_an_event_like_any() -> None:
    own = an_event(type="delivery.failed", subject="wh_1")
    assert not is_operational(own.id, own.type)
    assert matches(a_webhook(), own)
    assert not is_operational(operational_id("wh_1", 1, FAILING), "contact.created")


def test_sources_hold_for_operational_events_too() -> None:
    assert not matches(a_webhook(events=("webhook.*",), sources=("messaging",)), told())
    assert matches(a_webhook(events=("webhook.*",), sources=(SOURCE,)), told())


def test_no_catalogue_refuses_them_but_all_other_checks_hold() -> None:
    strict = a_workspace(unknown_types="refuse")
    assert check(told(), strict, None, list, lambda _: True) is None
    refusal = check(told(data=b"{"), strict, None, list, lambda _: True)
    assert refusal is not None
    assert refusal.code == "invalid_json"
