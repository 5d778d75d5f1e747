"""Prefinery's Test button (F1): it shows the HTTP code received, and is not in the log."""

from tests.fixtures.receiver import Receiver
from tests.system.shared import Shared


def test_f1_test_shows_the_code_received_and_leaves_no_trace_in_the_log(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = lambda _, before: (200, {}, b"ok") if len(receiver.got) == 1 else (302, {})
    tenant = products.tenant(default_policy="prefinery")
    tenant.post("/v1/event-types", {"name": "user.invited", "sample": {"email": "a@b.example"}})
    made = tenant.webhook(receiver.url + "/hook", events=["user.invited"])
    first, second = (tenant.post(f"/v1/webhooks/{made['id']}/test", status=200) for _ in range(2))
    assert (first["status"], first["state_name"]) == (200, "accepted")
    assert (second["status"], second["state_name"]) == (302, "rejected")
    assert [got.body for got in receiver.got] == [b'{"email":"a@b.example"}'] * 2
    assert tenant.get("/v1/log/deliveries")["items"] == []
    assert tenant.get("/v1/log/events")["items"] == []
    assert tenant.call("GET", f"/v1/log/events/{first['event']}").status_code == 404
    for path in ("", "/attempts"):
        hidden = f"/v1/log/deliveries/{first['delivery']}{path}"
        assert tenant.call("GET", hidden).status_code == 404
    resent = tenant.call("POST", f"/v1/log/deliveries/{first['delivery']}/resend")
    assert resent.status_code == 404
    assert tenant.get(f"/v1/webhooks/{made['id']}")["last_delivery"] is None


def test_f1_where_a_policy_logs_tests_they_are_told_apart(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="standard")
    made = tenant.webhook(receiver.url + "/hook")
    told = tenant.post(f"/v1/webhooks/{made['id']}/test", status=200)
    (row,) = tenant.get("/v1/log/deliveries")["items"]
    assert (row["id"], row["kind"], row["state"]) == (told["delivery"], "test", "succeeded")
