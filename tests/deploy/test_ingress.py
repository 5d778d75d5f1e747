"""Paths lead to who serves them."""

import pytest
from starlette.routing import Route

from hookstream.model.callback import PATH
from services.console.app import _ROUTERS
from services.ingest.requests_to_events import MANY, ONE
from tests.deploy.rendered import OVERLAYS, Manifest, container, named, of_kind, ours

INGEST = [ONE, MANY, PATH + "a-token"]
CONSOLE = ["/", *(r.path for one in _ROUTERS for r in one.routes if isinstance(r, Route))]


def leads_to(overlay: str, path: str) -> str:
    """The service behind a path: the longest prefix, element by element, wins."""
    (ingress,) = of_kind(overlay, "Ingress")
    (rule,) = ingress["spec"]["rules"]
    matching = [r for r in rule["http"]["paths"] if _below(path, r["path"])]
    longest = max(matching, key=lambda r: len(r["path"]))
    assert longest["pathType"] == "Prefix"
    name: str = longest["backend"]["service"]["name"]
    return name


def _below(path: str, prefix: str) -> bool:
    elements = [element for element in prefix.split("/") if element]
    return [element for element in path.split("/") if element][: len(elements)] == elements


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize(("service", "paths"), [("ingest", INGEST), ("console", CONSOLE)])
def test_every_path_leads_to_the_service_that_serves_it(
    overlay: str, service: str, paths: list[str]
) -> None:
    assert len(paths) >= 3
    wrong = {path: leads_to(overlay, path) for path in paths}
    assert set(wrong.values()) == {f"hookstream-{service}"}, wrong


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("service", ["ingest", "console"])
def test_a_service_leads_to_the_port_that_is_listened_on(overlay: str, service: str) -> None:
    found: Manifest = named(overlay, "Service", f"hookstream-{service}")["spec"]
    workload = ours(overlay)[service]
    assert found["selector"] == workload["spec"]["selector"]["matchLabels"]
    ports = {port["name"]: port["containerPort"] for port in container(workload)["ports"]}
    assert ports["http"] == {"ingest": 8801, "console": 8800}[service]
    assert [(port["name"], port["targetPort"]) for port in found["ports"]] == [("http", "http")]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_door_is_encrypted(overlay: str) -> None:
    (ingress,) = of_kind(overlay, "Ingress")
    hosts = [rule["host"] for rule in ingress["spec"]["rules"]]
    assert [host for tls in ingress["spec"]["tls"] for host in tls["hosts"]] == hosts
