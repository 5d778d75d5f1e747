"""docs/operations.md says what the manifests say."""

import re

import pytest

from hookstream.process.run import LOOP_MAX_AGE_S as EVENT_LOOP_S
from hookstream.process.run import ProcessSettings
from hookstream.process.streaming import LOOP_MAX_AGE_S as LOOP_S
from services.deliverer.main import _STOP_S
from tests.deploy.rendered import OVERLAYS, ROOT, SERVICES, container, environment, of_kind, ours
from tests.deploy.test_schemas import VERSIONS

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
PLAIN = " ".join(PAGE.split())


def processes(overlay: str, service: str) -> str:
    """Such as `3–16 × 1 CPU, 512 MiB`."""
    workload = ours(overlay)[service]
    asked = container(workload)["resources"]["requests"]
    least = str(workload["spec"]["replicas"])
    scaled = {
        m["spec"]["scaleTargetRef"]["name"]: m["spec"]["maxReplicaCount"]
        for m in of_kind(overlay, "ScaledObject")
    }
    most = scaled.get(workload["metadata"]["name"])
    cpu = asked["cpu"] if asked["cpu"].endswith("m") else f"{asked['cpu']} CPU"
    memory = re.sub(r"(\d+)(\w)i", r"\1 \2iB", asked["memory"])
    return f"{least}–{most} × {cpu}, {memory}" if most else f"{least} × {cpu}, {memory}"


@pytest.mark.parametrize("service", SERVICES)
def test_sizes_are_those_of_the_overlays(service: str) -> None:
    row = f"| {service} | {processes('small', service)} | {processes('production', service)} |"
    assert row in PAGE


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_secret_is_named_with_its_keys(overlay: str) -> None:
    for workload in ours(overlay).values():
        for value in environment(overlay, workload).values():
            if isinstance(value, dict):
                name = value["name"]
                assert name in PAGE or f"`{name.removeprefix('hookstream')}`" in PAGE, name
                assert value["key"] in PAGE


def test_times_are_those_of_the_code() -> None:
    budget_s = ProcessSettings().stop_budget_s
    assert f"`HOOKSTREAM_PROCESS_STOP_BUDGET_S` ({budget_s:.0f} s)" in PLAIN
    assert f"requests in flight get {_STOP_S:.0f} s" in PLAIN
    assert f"{EVENT_LOOP_S:.0f} s for the event loop, {LOOP_S:.0f} s for a loop over" in PLAIN


def test_versions_are_those_that_were_checked() -> None:
    assert f"Kubernetes {VERSIONS[0]} or newer" in PAGE
    assert f"Kubernetes {' and '.join(VERSIONS)}" in PLAIN


def test_the_paths_that_it_names_are_there() -> None:
    named = set(re.findall(r"`((?:k8s|observability|tests)/[\w./-]+)`", PAGE))
    assert {"k8s/overlays/small", "k8s/overlays/production"} <= named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
