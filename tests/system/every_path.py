"""A little of everything that can happen to an event, and what the services then say of it."""

import json
import urllib.request
from secrets import token_hex
from typing import NamedTuple

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from hookstream.embedded.ports import HOST
from hookstream.model.records import Outcome
from hookstream.stream.topics import EVENTS, OUTCOMES
from services.cli.system import System
from tests.fixtures.kafka import produce, read_all, wait_until
from tests.fixtures.receiver import Answer, Got, Receiver
from tests.system.shared import QUICK, Shared


class Walked(NamedTuple):
    """What was done, by the names that it had."""

    webhook: str
    """One that was sent to, and does not take everything."""
    words: list[str]
    """Ids, keys, hosts and paths of those who took part."""


Sample = tuple[str, dict[str, str]]
"""The name and the labels of one time series."""
WITHIN_S = 60
TRACED = {"traceparent": f"00-{token_hex(16)}-{token_hex(8)}-01"}


def walk(running: Shared, receiver: Receiver) -> Walked:
    """Every path once: taken, retried, failed, put off, parked, waiting for a callback, closed by
    it, refused at the door, dead, asked for by a test. Returns when each has its outcome."""
    receiver.rule = _rule
    tenant = running.tenant()
    policy = tenant.post("/v1/policies", QUICK)["id"]
    hooks = {
        path: tenant.webhook(f"{receiver.url}/{path}", policy=policy, **more)["id"]
        for path, more in {
            "fine": {},
            "flaky": {},
            "no-more": {},
            "broken": {},
            "slowly": {"rate_per_s": 1},
            "at-rest": {},
        }.items()
    }
    tenant.post(f"/v1/webhooks/{hooks['at-rest']}/pause", status=200)
    for _ in range(12):
        tenant.send("order.paid", **TRACED)
    assert tenant.publish(b"nonsense").status_code >= 400
    tenant.call("GET", f"/v1/webhooks/{hooks['fine']}-not")
    tenant.call("POST", f"/v1/webhooks/{hooks['fine']}/test", {"event_type": "order.paid"})
    produce(running.kafka, EVENTS, (b"a", b"garbage"))
    _callbacks(running, receiver)
    wanted = {"succeeded", "retrying", "failed", "parked", "deferred", "waiting"}
    wait_until(lambda: wanted <= _results(running), WITHIN_S)
    address = receiver.url.removeprefix("http://")
    words = [*hooks.values(), *hooks, tenant.workspace, tenant.key, address, "order.paid"]
    return Walked(hooks["broken"], words)


def _rule(got: Got, before: int) -> Answer:
    status = {"/flaky": 200 if before else 500, "/no-more": 410, "/broken": 503, "/waits": 202}
    return status.get(got.path, 200), {}


def _callbacks(running: Shared, receiver: Receiver) -> None:
    """A receiver that says 202, and later by its link that it is done."""
    tenant = running.tenant()
    rules = tenant.get("/v1/policies/prestavi")["rules"]
    plain = {**rules, "name": "plain", "https_only": False}
    policy = tenant.post("/v1/policies", plain)["id"]
    tenant.webhook(f"{receiver.url}/waits", policy=policy)
    tenant.send("action.triggered", '{"jobKey":"a"}')
    (got,) = wait_until(lambda: [g for g in receiver.got if g.path == "/waits"], WITHIN_S)
    link = json.loads(got.body)["meta"]["link"]

    def closed() -> bool:
        answer = httpx2.post(link, json={"status": "done"}, timeout=30, trust_env=False)
        return answer.status_code < 300

    wait_until(closed, WITHIN_S)


def _results(running: Shared) -> set[str]:
    """How turns have ended so far."""
    values = [seen.value for seen in read_all(running.kafka, OUTCOMES)]
    return {value.result for value in values if isinstance(value, Outcome)}


def scraped(system: System) -> list[Sample]:
    """Every time series that Prometheus would find at /metrics of all services."""
    samples: list[Sample] = []
    for service in system.services:
        url = f"http://{HOST}:{system.ports.health[service]}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        at = {"job": f"hookstream-{service}", "instance": service}
        for family in text_string_to_metric_families(text):
            samples += [(sample.name, {**sample.labels, **at}) for sample in family.samples]
    return samples
