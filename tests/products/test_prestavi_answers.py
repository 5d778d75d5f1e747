"""Prestavi's answers, by their numbers: codes and reasons (P4, P5, P7), callbacks (P8, P9)."""

import json
from collections.abc import Callable
from typing import Any

import httpx2

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Answer, Got, Receiver
from tests.products.quickened import WITHIN_S
from tests.system.shared import Shared, Tenant

Found = dict[str, Any]
ONE = '{"jobActionKey":"ckom6txhs0001cao35b3hvdg1","jobKey":"ckom6tu6x00033gg69n3vs83c","n":1.10}'


def link_in(got: Got) -> str:
    """The link that a request carries."""
    link: str = json.loads(got.body)["meta"]["link"]
    return link


def call_back(link: str, **body: Any) -> httpx2.Response:
    """As a receiver does: it has the link and nothing else."""
    return httpx2.post(link, json=body, timeout=30, trust_env=False)


def found(tenant: Tenant, event: str, is_it: Callable[[Found], object]) -> Found:
    """The one delivery of an event, whole, once it is as wanted."""

    def look() -> Found | None:
        for each in tenant.deliveries(event):
            whole: Found = tenant.get(f"/v1/log/deliveries/{each['id']}")
            return whole if is_it(whole) else None
        return None

    seen = wait_until(look, WITHIN_S)
    assert seen is not None
    return seen


def shown_as(name: str) -> Callable[[Found], bool]:
    return lambda delivery: delivery["state_name"] == name


def waiting(products: Shared, receiver: Receiver, **webhook: Any) -> tuple[Tenant, str, str]:
    """A workspace, an event whose receiver said 202, and the link that it got."""
    receiver.rule = lambda *_: (202, {})
    tenant = products.tenant(default_policy="prestavi")
    tenant.webhook(receiver.url + "/hook", **webhook)
    event = tenant.send("action.triggered", ONE)
    found(tenant, event, shown_as("waiting"))
    return tenant, event, link_in(receiver.got[-1])


def as_json(status: int, body: Any) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return status, {"content-type": "application/json"}, content


# -- codes and reasons --------------------------------------------------------------------------


def test_p7_the_code_of_the_answer_is_the_status_of_the_action(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = lambda got, _: (int(got.path[1:]), {"location": "/200"})
    tenant = products.tenant(default_policy="prestavi")
    failed = (203, 204, 206, 301, 302, 307, 400, 401, 404, 410, 429, 500, 502, 503, 599)
    names = {200: "done", 201: "done", 202: "waiting"} | dict.fromkeys(failed, "failed")
    by_webhook = {tenant.webhook(f"{receiver.url}/{code}")["id"]: code for code in names}
    event = tenant.send("action.triggered", ONE)

    def ends() -> dict[int, str]:
        told = tenant.deliveries(event)
        return {by_webhook[d["webhook"]]: d["state_name"] for d in told}

    wait_until(lambda: ends() == names, WITHIN_S)
    assert len(receiver.got) == len(names), "one request each: retries are opt-in"
    assert all(d["status"] == by_webhook[d["webhook"]] for d in tenant.deliveries(event))


def test_p7_a_wait_that_nobody_ends_has_failed_when_its_time_is_over(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = lambda *_: (202, {})
    tenant = products.tenant()
    rules = tenant.get("/v1/policies/prestavi")["rules"]
    short = {"name": "short", "deadline_ms": 5_000, "waiting_ms": 1_000}  # the link has both
    policy = tenant.post("/v1/policies", {**rules, **short})["id"]
    tenant.webhook(receiver.url + "/hook", policy=policy)
    event = tenant.send("action.triggered", ONE)
    over = found(tenant, event, shown_as("failed"))
    assert (over["reason"], over["status"], over["waits_until"]) == ("expired", None, None)
    link = link_in(receiver.got[0])
    wait_until(lambda: call_back(link, status="done").status_code == 410, WITHIN_S)
    late = call_back(link, status="done")
    assert late.json()["code"] == "link_expired"
    assert found(tenant, event, lambda _: True)["state_name"] == "failed"


def test_p4_a_500_fails_the_action_after_the_last_attempt_and_not_before(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = lambda *_: (500, {})
    tenant = products.tenant(default_policy="prestavi")
    paths = {
        "/once": None,
        "/thrice": {"delay_s": 0.2, "max_requests": 3},
        "/later": {"delay_s": 3_600, "max_requests": 2},
    }
    by_webhook = {tenant.webhook(receiver.url + p, retry=r)["id"]: p for p, r in paths.items()}
    event = tenant.send("action.triggered", ONE)

    def names() -> dict[str, tuple[str, int]]:
        told = tenant.deliveries(event)
        return {by_webhook[d["webhook"]]: (d["state_name"], d["attempts"]) for d in told}

    ends = {"/once": ("failed", 1), "/thrice": ("failed", 3), "/later": ("waiting", 1)}
    wait_until(lambda: names() == ends, WITHIN_S)
    assert len(receiver.ids()) == 5


def test_p5_the_reason_of_the_last_answer_is_shown(products: Shared, receiver: Receiver) -> None:
    long = "no stock\n\x1b[31m" + "é" * 2_000
    answers: dict[str, list[Answer]] = {
        "/text": [as_json(500, {"reason": "Not in stock <b>today</b>", "code": 7})],
        "/last": [as_json(503, {"reason": "busy"}), as_json(400, {"reason": "no such item"})],
        "/silent": [as_json(503, {"reason": "busy"}), (500, {})],
        "/done": [as_json(200, {"reason": "booked"})],
        "/waits": [as_json(202, {"reason": "in review"})],
        "/long": [as_json(500, {"reason": long, "pad": "x" * 30_000})],
        "/html": [(500, {"content-type": "text/html"}, b'<p id="reason">"reason"</p>')],
        "/number": [as_json(500, {"reason": 7})],
        "/plain": [(500, {"content-type": "text/plain"}, b'{"reason":"said all the same"}')],
    }
    receiver.rule = lambda got, before: answers[got.path][before]
    tenant = products.tenant(default_policy="prestavi")
    retry = {"delay_s": 0.2, "max_requests": 2}
    by_webhook = {
        tenant.webhook(receiver.url + path, retry=retry if len(some) == 2 else None)["id"]: path
        for path, some in answers.items()
    }
    event = tenant.send("action.triggered", ONE)

    def over() -> dict[str, Found]:
        told = {by_webhook[d["webhook"]]: d for d in tenant.deliveries(event)}
        return {p: d for p, d in told.items() if d["attempts"] == len(answers[p])}

    wait_until(lambda: len(over()) == len(answers), WITHIN_S)
    assert {path: delivery["stated_reason"] for path, delivery in over().items()} == {
        "/text": "Not in stock <b>today</b>",
        "/last": "no such item",
        "/silent": None,
        "/done": "booked",
        "/waits": "in review",
        "/long": ("no stock [31m" + "é" * 2_000)[:1_000],
        "/html": None,
        "/number": None,
        "/plain": "said all the same",
    }


# -- callbacks ----------------------------------------------------------------------------------


def test_p8_the_link_of_the_request_closes_the_action(products: Shared, receiver: Receiver) -> None:
    tenant, event, link = waiting(products, receiver)
    base = products.system.ports.ingest_url + "/v1/callbacks/"
    assert link.startswith(base)
    assert json.loads(receiver.got[0].body)["data"] == json.loads(ONE)
    assert found(tenant, event, shown_as("waiting"))["waits_until"] is not None
    assert call_back(link, status="done").status_code == 200
    done = found(tenant, event, shown_as("done"))
    assert (done["state"], done["reason"], done["attempts"]) == ("succeeded", "callback", 1)
    assert (done["ignored"], done["waits_until"], done["stated_reason"]) == ([], None, None)


def test_p8_failed_needs_a_reason_and_message_is_another_name_of_it(
    products: Shared, receiver: Receiver
) -> None:
    tenant, event, link = waiting(products, receiver)
    refused = call_back(link, status="failed")
    assert (refused.status_code, refused.json()["field"]) == (422, "reason")
    assert call_back(link, status="no").status_code == 422
    assert found(tenant, event, lambda _: True)["state_name"] == "waiting"
    assert call_back(link, status="failed", message="The carrier\nis full").status_code == 200
    failed = found(tenant, event, shown_as("failed"))
    assert (failed["stated_reason"], failed["reason"]) == ("The carrier is full", "callback")


def test_p8_a_callback_may_come_before_the_202_has_been_recorded(
    products: Shared, receiver: Receiver
) -> None:
    """Ten actions whose receiver calls back before it has even answered."""
    answers: list[int] = []

    def back_first(got: Got, _: int) -> Answer:
        answers.append(call_back(link_in(got), status="failed", reason="at once").status_code)
        return 202, {}

    receiver.rule = back_first
    tenant = products.tenant(default_policy="prestavi")
    tenant.webhook(receiver.url + "/hook")
    events = [tenant.send("action.triggered", ONE) for _ in range(10)]
    for event in events:
        closed = found(tenant, event, lambda d: d["state_name"] == "failed" and d["attempts"])
        assert (closed["stated_reason"], closed["attempts"]) == ("at once", 1)
        assert [a["result"] for a in tenant.attempts(closed["id"])] == ["waiting"]
    assert answers == [200] * 10


def test_p8_the_first_close_wins_and_a_contradicting_one_is_recorded_as_ignored(
    products: Shared, receiver: Receiver
) -> None:
    tenant, event, link = waiting(products, receiver)
    first = call_back(link, status="done")
    again = call_back(link, status="done")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert found(tenant, event, shown_as("done"))["ignored"] == []
    other = call_back(link, status="failed", reason="changed my mind")
    assert (other.status_code, other.content) == (200, first.content)
    ignored = found(tenant, event, lambda delivery: delivery["ignored"])
    assert (ignored["state_name"], ignored["ignored"]) == ("done", ["failed"])
    assert ignored["stated_reason"] is None


def test_p8_a_forged_link_closes_nothing(products: Shared, receiver: Receiver) -> None:
    tenant, event, link = waiting(products, receiver)
    middle = len(link) - 40
    changed = link[:middle] + ("A" if link[middle] != "A" else "B") + link[middle + 1 :]
    forged = [changed, link[:-5], link.rsplit("/", 1)[0] + "/forged"]
    assert [call_back(each, status="done").status_code for each in forged] == [404] * 3
    assert found(tenant, event, lambda _: True)["state_name"] == "waiting"


def test_p8_every_link_of_a_delivery_closes_it_also_while_a_retry_is_due(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = lambda got, before: (503, {})
    tenant = products.tenant(default_policy="prestavi")
    for path, delay_s in (("/soon", 0.2), ("/later", 3_600)):
        retry = {"delay_s": delay_s, "max_requests": 2}
        tenant.webhook(receiver.url + path, name=path[1:], retry=retry)
    event = tenant.send("action.triggered", ONE)
    wait_until(lambda: len(receiver.ids("/soon")) == 2 and receiver.ids("/later"), WITHIN_S)
    links = {got.path: link_in(got) for got in reversed(receiver.got)}
    for link in links.values():
        assert call_back(link, status="done").status_code == 200

    def names() -> dict[str, str]:
        return {d["webhook_name"]: d["state_name"] for d in tenant.deliveries(event)}

    wait_until(lambda: names() == {"soon": "done", "later": "done"}, WITHIN_S)


def test_p9_the_callback_is_answered_with_the_keys_of_its_event(
    products: Shared, receiver: Receiver
) -> None:
    tenant, _, link = waiting(products, receiver)
    answer = call_back(link, status="done")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "status": "ok",
        "code": 200,
        "data": {
            "jobActionKey": "ckom6txhs0001cao35b3hvdg1",
            "jobKey": "ckom6tu6x00033gg69n3vs83c",
        },
    }
    plain = tenant.send("action.triggered", '{"n":1}')
    delivery = found(tenant, plain, shown_as("waiting"))["id"]
    told = call_back(link_in(receiver.got[-1]), status="done").json()["data"]
    assert told == {"jobActionKey": delivery, "jobKey": plain}
