"""Prefinery's promises about delivery: F2, F3, F5, F6. Its schedule, F4: test_schedules.py."""

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.products.quickened import WITHIN_S, ended, quickened
from tests.products.raw import Connection, answered, raw
from tests.system.shared import Shared

REJECTED = (201, 204, 301, 302, 304, 400, 401, 404, 410, 429, 500, 503)
DEADLINE_MS = 5_000
CUT_WITHIN_MS = 15_000


def test_f2_only_200_is_accepted_and_any_other_code_is_final(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="prefinery")
    receiver.rule = lambda got, _: (
        int(got.path[1:]),
        {"Retry-After": "1", "Location": "/200", "X-Status": "failed"},
        b"" if got.path in ("/204", "/304") else b'{"status":"failed","reason":"no"}',
    )
    made = {
        code: tenant.webhook(f"{receiver.url}/{code}", name=f"on-{code}")["id"]
        for code in (200, *REJECTED)
    }
    event = tenant.send("user.invited")
    found = ended(tenant, event, len(made))
    accepted = found[made[200]]
    assert (accepted["state"], accepted["state_name"]) == ("succeeded", "accepted")
    for code in REJECTED:
        rejected = found[made[code]]
        assert (rejected["state_name"], rejected["attempts"]) == ("rejected", 1), code
        assert (rejected["state"], rejected["reason"], rejected["status"]) == (
            "failed",
            "rejected",
            code,
        )
    assert sorted(got.path for got in receiver.got) == sorted(f"/{code}" for code in made)
    assert {tenant.get(f"/v1/webhooks/{id_}")["state"] for id_ in made.values()} == {"active"}


def test_f2_a_code_in_the_middle_of_retries_is_final_too(products: Shared) -> None:
    def script(connection: Connection) -> None:
        if connection.before >= 2:
            connection.socket.sendall(answered(500))

    tenant = products.tenant()
    policy = quickened(tenant, "prefinery", 100)
    with raw(script) as receiver:
        tenant.webhook(receiver.url + "/hook", policy=policy)
        event = tenant.send("user.invited")
        (found,) = ended(tenant, event).values()
        assert (found["state_name"], found["attempts"], found["status"]) == ("rejected", 3, 500)
        errors = [attempt["error"] for attempt in tenant.attempts(found["id"])]
        assert errors == ["connection_lost", "connection_lost", None]
        assert len(receiver.requests) == 3


def test_f3_a_dripping_body_is_cut_and_the_verdict_stands(products: Shared) -> None:
    cut: dict[str, float] = {}

    def script(connection: Connection) -> None:
        if connection.request.path == "/headers":
            connection.drip(b"HTTP/1.1 200 OK\r\nx-slow: ")
            return
        status = connection.request.path[1:].encode()
        head = b"HTTP/1.1 %b x\r\ncontent-length: 1000000\r\n\r\n" % status
        cut[connection.request.path] = connection.drip(head)

    tenant = products.tenant()
    once = {"kind": "list", "max_requests": 1}
    policy = quickened(tenant, "prefinery", 1, deadline_ms=DEADLINE_MS, schedule=once)
    with raw(script) as receiver:
        paths = ("/200", "/500", "/headers")
        made = {path: tenant.webhook(receiver.url + path, policy=policy)["id"] for path in paths}
        found = ended(tenant, tenant.send("user.invited"), 3)
        assert {path: found[made[path]]["state_name"] for path in paths} == {
            "/200": "accepted",
            "/500": "rejected",
            "/headers": "failed",
        }
        told = {path: tenant.attempts(found[made[path]]["id"]) for path in paths}
        assert {path: len(attempts) for path, attempts in told.items()} == dict.fromkeys(paths, 1)
        assert told["/headers"][0]["error"] == "timeout_answer"
        wait_until(lambda: len(cut) == 2, WITHIN_S)
        for path in ("/200", "/500"):
            assert told[path][0]["truncated"]
            assert "body was still coming at the deadline" in told[path][0]["error_detail"]
            assert told[path][0]["duration_ms"] < DEADLINE_MS
            lasted_ms = cut[path] - receiver.of(path)[0].at_ms
            assert DEADLINE_MS * 0.5 <= lasted_ms <= DEADLINE_MS + CUT_WITHIN_MS


def test_f5_nobody_may_send_again_by_hand(products: Shared, receiver: Receiver) -> None:
    receiver.rule = lambda _, __: (404, {})
    tenant = products.tenant()
    made = {
        policy: tenant.webhook(f"{receiver.url}/{policy}", policy=policy)["id"]
        for policy in ("prefinery", "prestavi", "maestra")
    }
    found = ended(tenant, tenant.send("user.invited"), len(made))
    answers = {
        policy: tenant.call("POST", f"/v1/log/deliveries/{found[webhook]['id']}/resend")
        for policy, webhook in made.items()
    }
    assert {policy: answer.status_code for policy, answer in answers.items()} == {
        "prefinery": 409,
        "prestavi": 202,
        "maestra": 202,
    }
    assert answers["prefinery"].json()["code"] == "manual_retry_forbidden"
    wait_until(lambda: len(receiver.got) == 5, WITHIN_S)
    assert len(receiver.ids("/prefinery")) == 1


def test_f6_failures_touch_that_event_alone_and_new_ones_flow(products: Shared) -> None:
    def script(connection: Connection) -> None:
        if b'"n":' in connection.request.body:
            connection.socket.sendall(answered(404 if b'"n":0' in connection.request.body else 200))

    tenant = products.tenant()
    policy = quickened(tenant, "prefinery", 1_000_000)
    with raw(script) as receiver:
        made = tenant.webhook(receiver.url + "/hook", policy=policy)
        gone = [tenant.send("user.invited", '{"x":1}') for _ in range(2)]
        rejected = tenant.send("user.invited", '{"n":0}')
        for event in gone:
            (found,) = ended(tenant, event).values()
            assert (found["state_name"], found["attempts"]) == ("failed", 16)
        (found,) = ended(tenant, rejected).values()
        assert found["state_name"] == "rejected"
        shown = tenant.get(f"/v1/webhooks/{made['id']}")
        assert (shown["state"], shown["state_reason"]) == ("active", None)
        (found,) = ended(tenant, tenant.send("user.invited", '{"n":1}')).values()
        assert found["state_name"] == "accepted"
