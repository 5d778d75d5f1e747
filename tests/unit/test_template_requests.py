"""Requests made by templates: what stands in them, whether they used the transaction id (M6), and
the envelope with a webhook's own properties (P1)."""

import json
from typing import Any

import pytest

from hookstream.model.opened import UnsendableError, open_webhook
from hookstream.model.records import Delivery, Event, Header, Webhook
from hookstream.model.request import OutgoingRequest, render, request
from hookstream.model.seal import Keys, header_place
from hookstream.model.template_syntax import TemplateError
from services.deliverer.request_of import RequestOf, Unsendable
from tests.unit.values import a_delivery, a_webhook, an_event, unsigned

KEYS = Keys([b"k" * 32])
ID = "0a1b2c3d-0000-5000-8000-000000000001"
USED = "${WebhookRequest.TransactionalId}"


def private(name: str, value: str, dynamic: bool = True) -> Header:
    sealed = KEYS.seal(value.encode(), header_place("ws_1", "wh_1", name), b"n" * 12)
    return Header(name=name, value=sealed, private=True, dynamic=dynamic)


def webhook(**changes: Any) -> Webhook:
    return a_webhook(**{"policy": unsigned(), "dynamic": True, **changes})


def made(found: Webhook, data: bytes = b"{}", **event: Any) -> OutgoingRequest:
    delivery = a_delivery(id=ID, event=an_event(data=data, **event))
    return request(found, delivery, open_webhook(found, KEYS), 0)


def test_a_body_is_rendered_of_event_data_properties_and_webhook() -> None:
    template = (
        '{"t":"${event.type}","at":"${event.created_at}","ws":"${event.workspace_id}",'
        '"s":${event.source},"u":"${event.subject}","id":"${event.id}","d":${event.data},'
        '"price":${price},"team":${properties.team},"w":"${webhook.name}","tx":"' + USED + '"}'
    )
    found = webhook(template=template, properties=b'{"team":1.50}')
    assert made(found, b'{"price": 1.10}', subject="u1").body == (
        b'{"t":"contact.created","at":"2024-03-15T10:30:00Z","ws":"ws_1","s":null,"u":"u1",'
        b'"id":"evt_1","d":{"price":1.10},"price":1.10,"team":1.50,"w":"Crm","tx":"%b"}'
        % ID.encode()
    )


def test_what_is_ours_is_not_hidden_by_fields_of_the_same_name() -> None:
    found = webhook(template='["${event.id}","${webhook.name}","${event.data.webhook}"]')
    assert made(found, b'{"event":1,"webhook":"theirs"}').body == b'["evt_1","Crm","theirs"]'


def test_data_that_is_no_object_is_reached_by_the_event() -> None:
    assert made(webhook(template="${event.data[1]}"), b"[1, 2.0]").body == b"2.0"


@pytest.mark.parametrize("template", ['{"a":${missing}', '{"a":1,}', "", "plain", '{"a":"${a}}'])
def test_a_body_that_is_no_json_once_rendered_fails(template: str) -> None:
    with pytest.raises(TemplateError, match="body: not JSON"):
        made(webhook(template=template))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json; charset=utf-8", b'<"\\"">'),
        ("application/vnd.x+json", b'<"\\"">'),
        ("text/plain", b'<""">'),
        (None, b'<""">'),
        ("application/x-www-form-urlencoded", b'<"%22">'),
    ],
)
def test_how_a_body_is_escaped_follows_its_content_type(
    content_type: str | None, body: bytes
) -> None:
    found = webhook(template='<"${v}">', content_type=content_type)
    if b"\\" in body:
        with pytest.raises(TemplateError, match="body: not JSON"):
            made(found, b'{"v":"\\""}')
    else:
        assert made(found, b'{"v":"\\""}').body == body


def test_a_content_type_among_the_headers_counts_before_the_webhooks_own() -> None:
    header = Header(name="content-TYPE", value=b"text/plain")
    assert made(webhook(template="no json", headers=(header,))).body == b"no json"


def test_headers_are_rendered_trimmed_and_checked() -> None:
    plain = Header(name="X-Who", value=b" ${who} ".strip(), dynamic=True)
    found = webhook(headers=(plain, Header(name="X-Raw", value=b"as is")))
    headers = dict(made(found, b'{"who":" Ann\\r\\nX: y "}').headers)
    assert (headers[b"X-Who"], headers[b"X-Raw"]) == (b"Ann X: y", b"as is")
    with pytest.raises(TemplateError, match="header X-Who"):
        made(found, b'{"who":"%b"}' % (b"x" * 5_000))


def test_a_private_headers_faults_tell_nothing_of_its_value() -> None:
    found = webhook(headers=(private("X-Key", "planted-${who | date}"),))
    with pytest.raises(TemplateError) as fault:
        made(found, b'{"who":"planted"}')
    assert str(fault.value) == "header X-Key: cannot be rendered; its value is private"


@pytest.mark.parametrize(
    "changes",
    [
        {"url": f"https://a.example/x?transactionId={USED}"},
        {"url": f"https://a.example/{USED}"},
        {"headers": (Header(name="Idempotency-Key", value=USED.encode(), dynamic=True),)},
        {"headers": (private("Idempotency-Key", USED),)},
        {"template": f'{{"a":"{USED}"}}'},
        {"template": '["${WebhookRequest.TransactionalId | upcase}"]'},
        {"template": "{% assign t = WebhookRequest.TransactionalId %}[${t}]"},
        {"template": f"{{% capture t %}}{USED}{{% endcapture %}}[${{t}}]"},
        {"template": '["${WebhookRequest["TransactionalId"]}"]'},
    ],
)
def test_m6_the_transaction_id_counts_as_used_where_it_was_rendered(
    changes: dict[str, Any],
) -> None:
    found = webhook(**changes)
    first, second = made(found), made(found)
    assert first.uses_transaction_id
    assert (first.url, first.headers, first.body) == (second.url, second.headers, second.body)


@pytest.mark.parametrize(
    ("changes", "data"),
    [
        ({}, b"{}"),
        ({"template": '["${event.id}"]'}, b"{}"),
        ({"template": f'["@{{if vip}}{USED}@{{end if}}"]'}, b'{"vip":false}'),
        ({"template": "[@{if WebhookRequest.TransactionalId}1@{end if}]"}, b"{}"),
        ({"template": f"{{% capture t %}}{USED}{{% endcapture %}}[]"}, b"{}"),
        ({"template": '["${v}"]'}, b'{"v":"${WebhookRequest.TransactionalId}"}'),
        ({"template": f'["{USED}"]', "method": "GET"}, b"{}"),
    ],
)
def test_m6_where_it_was_not_rendered_it_was_not_used(changes: dict[str, Any], data: bytes) -> None:
    assert not made(webhook(**changes), data).uses_transaction_id


def test_a_get_has_no_body_and_its_template_is_not_looked_at() -> None:
    assert made(webhook(template="${x | date}", method="GET")).body == b""


def test_a_verification_has_its_own_form_whatever_the_template() -> None:
    body = json.loads(made(webhook(template="${event.id}"), b"", type="endpoint.verify").body)
    assert list(body) == ["type", "id", "created_at"]


def test_p1_properties_and_link_stand_beside_the_data() -> None:
    event = an_event(data=b'{"price": 1.10}')
    assert render("linked", event, b'{"team":"a"}', "https://h/v1/callbacks/t") == (
        b'{"data":{"price": 1.10},"custom_properties":{"team":"a"},'
        b'"meta":{"link":"https://h/v1/callbacks/t"}}'
    )
    assert render("linked", event, b"{}", "l") == b'{"data":{"price": 1.10},"meta":{"link":"l"}}'
    assert render("linked", event) == b'{"data":{"price": 1.10}}'


def test_links_are_made_for_the_linked_envelope_alone() -> None:
    asked: list[str] = []

    def link_of(found: Webhook, delivery: Delivery) -> str:
        asked.append(delivery.id)
        return "https://h/link"

    request_of = RequestOf(KEYS, link_of)
    linked = webhook(policy=unsigned(envelope="linked"), properties=b'{"a":1}', dynamic=False)
    body = json.loads(request_of(linked, a_delivery(id=ID), 0, None).body)
    assert (body["custom_properties"], body["meta"]) == ({"a": 1}, {"link": "https://h/link"})
    request_of(webhook(id="wh_2"), a_delivery(), 0, None)
    templated = webhook(
        id="wh_3", template='["${WebhookRequest.Link}"]', policy=unsigned(envelope="linked")
    )
    assert request_of(templated, a_delivery(id=ID), 0, None).body == b'["https://h/link"]'
    assert asked == [ID, ID]


def test_a_fault_is_told_in_few_words_whatever_the_data() -> None:
    found = webhook(template="${v | date}")
    with pytest.raises(TemplateError) as fault:
        made(found, b'{"v":"%b"}' % (b"x" * 100_000))
    assert len(str(fault.value)) < 400
    with pytest.raises(TemplateError, match="cannot be read"):
        made(found, b"{")


def test_what_fails_is_unsendable_in_words() -> None:
    request_of = RequestOf(KEYS)
    with pytest.raises(Unsendable, match="body: filter date"):
        request_of(webhook(template="${event.type | date}"), a_delivery(), 0, None)
    with pytest.raises(Unsendable, match="URL: line 1"):
        request_of(webhook(id="wh_2", url="https://a.example/${x"), a_delivery(), 0, None)


def test_what_is_kept_of_templates_is_bounded_by_their_size() -> None:
    request_of = RequestOf(KEYS, kept_parts=3_000)
    template = "[" + "${a}," * 200 + "1]"
    held = []
    for number in range(8):
        request_of(webhook(id=f"wh_{number}", template=template), a_delivery(), 0, None)
        held.append(request_of.parts)
    one = held[0]
    assert 600 < one < 1_000
    assert held[1] == 2 * one
    assert 3_000 - one < held[-1] <= 3_000
    newer = webhook(id="wh_7", template="[]", version=2)
    request_of(newer, a_delivery(webhook_version=2), 0, None)
    assert request_of.parts < held[-1] - one / 2


def test_without_templates_nothing_is_parsed() -> None:
    found = webhook(dynamic=False, url="https://a.example/${not-looked-at}")
    assert open_webhook(found, KEYS).rendering is None
    with pytest.raises(UnsendableError):
        open_webhook(webhook(template="${x"), KEYS)


def test_the_event_is_never_changed_by_its_template() -> None:
    event = an_event(data=b'{"a":[1,2]}')
    before = Event(**{f: getattr(event, f) for f in event.__struct_fields__})
    found = webhook(template="${a | concat: a}")
    request(found, a_delivery(event=event), open_webhook(found, KEYS), 0)
    assert event == before
