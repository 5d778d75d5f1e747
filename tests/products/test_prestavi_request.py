"""Prestavi's request: payload data, headers and custom properties of one's own (P1)."""

import json

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.system.shared import Shared


def test_p1_custom_properties_stand_beside_the_data_and_its_bytes_are_untouched(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="prestavi")
    tenant.webhook(
        receiver.url + "/with",
        headers=[{"key": "X-Team", "value": "sales"}],
        properties={"team": "sales", "limit": 5, "tags": ["a", None], "deep": {"x": True}},
    )
    tenant.webhook(receiver.url + "/without")
    tenant.send("job.action", '{"price":  1.10}')
    wait_until(lambda: len(receiver.got) == 2, 60)
    got = {g.path: g for g in receiver.got}
    link = json.loads(got["/with"].body)["meta"]["link"]
    assert got["/with"].body == (
        b'{"data":{"price":  1.10},"custom_properties":{"team":"sales","limit":5,'
        b'"tags":["a",null],"deep":{"x":true}},"meta":{"link":"%b"}}' % link.encode()
    )
    assert got["/with"].headers["x-team"] == "sales"
    other = json.loads(got["/without"].body)
    assert list(other) == ["data", "meta"]
    assert other["meta"]["link"] != link


def test_p1_a_template_reaches_properties_too(products: Shared, receiver: Receiver) -> None:
    tenant = products.tenant(default_policy="prestavi")
    tenant.webhook(
        receiver.url + "/hook",
        properties={"team": "sales"},
        template='{"team": "${properties.team}", "link": "${WebhookRequest.Link}"}',
    )
    tenant.send("job.action", "{}")
    wait_until(lambda: receiver.got, 60)
    body = json.loads(receiver.got[0].body)
    assert body["team"] == "sales"
    assert "/v1/callbacks/" in body["link"]
