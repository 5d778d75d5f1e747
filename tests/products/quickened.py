"""The built-in policies with shorter delays, made by the API as anybody would."""

from typing import Any

from tests.fixtures.kafka import wait_until
from tests.system.shared import Tenant

WITHIN_S = 60.0
"""How long a test waits for what passes several processes on a busy machine."""


def quickened(tenant: Tenant, product: str, by: float, **changes: Any) -> str:
    """A policy by a product's rules whose delays are shorter by this factor; its id.

    `changes`: fields that differ from the product's.
    """
    rules = tenant.get(f"/v1/policies/{product}")["rules"]
    schedule = rules["schedule"]
    schedule["delays_ms"] = [round(delay / by) for delay in schedule["delays_ms"]]
    schedule["unit_ms"] /= by
    made = tenant.post("/v1/policies", {"name": f"quick {product}", **rules, **changes})
    return str(made["id"])


def ended(tenant: Tenant, event: str, deliveries: int = 1) -> dict[str, dict[str, Any]]:
    """webhook id -> its delivery of the event, once so many have ended."""

    def all_over() -> list[dict[str, Any]]:
        found = tenant.deliveries(event)
        over = [d for d in found if d["state"] in ("succeeded", "waiting", "failed", "parked")]
        return over if len(over) == deliveries else []

    return {found["webhook"]: found for found in wait_until(all_over, WITHIN_S)}
