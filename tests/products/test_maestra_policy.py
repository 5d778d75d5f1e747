"""Maestra's promise of repeats: M6. Its schedule: test_schedules.py; its templates have a file."""

from tests.fixtures.receiver import Receiver
from tests.products.quickened import ended, quickened
from tests.products.raw import raw
from tests.system.shared import Shared

USED = '{"key": "${WebhookRequest.TransactionalId}"}'
SOMETIMES = '{"key": "@{if keyed}${WebhookRequest.TransactionalId}@{else}none@{end if}"}'


def test_m6_only_5xx_and_429_are_repeated_and_only_with_the_transaction_id(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = lambda got, _: (int(got.path[1:4]), {})
    tenant = products.tenant()
    policy = quickened(tenant, "maestra", 1_000)
    with raw(lambda _: None) as closing:
        asked = {
            f"{receiver.url}/503": (USED, 4, "exhausted"),
            f"{receiver.url}/429": (USED, 4, "exhausted"),
            f"{receiver.url}/404": (USED, 1, "rejected"),
            f"{receiver.url}/302": (USED, 1, "rejected"),
            f"{receiver.url}/503/plain": (None, 1, "rejected"),
            f"{closing.url}/closed": (USED, 1, "unreachable"),
        }
        made = {
            tenant.webhook(url, policy=policy, template=template)["id"]: (requests, reason)
            for url, (template, requests, reason) in asked.items()
        }
        found = ended(tenant, tenant.send("order.paid", '{"n":1}'), len(made))
        told = {w: (found[w]["attempts"], found[w]["reason"]) for w in made}
        assert told == made
        assert len(closing.requests) == 1
    for path, requests in (("/503", 4), ("/429", 4), ("/404", 1), ("/302", 1), ("/503/plain", 1)):
        assert len(receiver.ids(path)) == requests, path
        assert len({got.body for got in receiver.got if got.path == path}) == 1


def test_m6_the_transaction_id_counts_as_used_where_it_was_rendered(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = lambda _, __: (500, {})
    tenant = products.tenant()
    policy = quickened(tenant, "maestra", 1_000)
    tenant.webhook(receiver.url + "/hook", policy=policy, template=SOMETIMES)
    for keyed, requests in (("true", 4), ("false", 1)):
        (found,) = ended(tenant, tenant.send("order.paid", f'{{"keyed":{keyed}}}')).values()
        assert found["attempts"] == requests, keyed


def test_m6_no_repeat_begins_after_the_window(products: Shared, receiver: Receiver) -> None:
    receiver.rule = lambda _, __: (500, {})
    tenant = products.tenant()
    schedule = {"kind": "list", "delays_ms": [100, 60_000, 100], "window_ms": 59_000}
    policy = quickened(tenant, "maestra", 1, schedule=schedule)
    tenant.webhook(receiver.url + "/hook", policy=policy, template=USED)
    (found,) = ended(tenant, tenant.send("order.paid")).values()
    assert (found["state"], found["reason"]) == ("failed", "exhausted")
    assert len(receiver.got) == found["attempts"] <= 2
