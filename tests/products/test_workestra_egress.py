"""W7: requests leave from addresses that the API lists, whatever they are for."""

from datetime import UTC, datetime, timedelta

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.products.conftest import SOURCE
from tests.system.shared import Shared

WITHIN_S = 60.0


def test_w7_deliveries_verifications_tests_retries_and_resends_leave_from_the_listed_address(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = lambda _, before: (200 if before else 500, {})
    tenant = products.tenant(default_policy="workestra")
    assert tenant.get("/v1/egress") == {"networks": [f"{SOURCE}/32"]}
    hook = tenant.webhook(receiver.url + "/hook", secret="your_webhook_secret")
    path = f"/v1/webhooks/{hook['id']}"
    event = tenant.send("contact.created")
    wait_until(lambda: [d["state"] for d in tenant.deliveries(event)] == ["succeeded"], WITHIN_S)
    tenant.call("POST", f"{path}/test")
    wait_until(lambda: len(receiver.got) == 3, WITHIN_S)
    (delivery,) = tenant.deliveries(event)
    tenant.post(f"/v1/log/deliveries/{delivery['id']}/resend", status=202)
    wait_until(lambda: len(receiver.got) == 4, WITHIN_S)
    earlier = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    tenant.post(f"{path}/replay", {"from": earlier, "only_failed": False}, status=202)
    tenant.post(f"{path}/pause", status=200)
    kept = tenant.send("contact.created")
    wait_until(lambda: tenant.get(path)["parked"] >= 1, WITHIN_S)
    tenant.post(f"{path}/resume", status=200)
    wait_until(lambda: kept in receiver.ids() and receiver.ids().count(event) >= 4, WITHIN_S)
    got = [*receiver.verifications, *receiver.got]
    assert len(receiver.verifications) == 1
    assert {each.peer for each in got} == {SOURCE}
