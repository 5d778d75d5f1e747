"""Every pod: restricted, probed, bounded, spread, and given the time to stop that it takes."""

from typing import Any

import pytest

from hookstream.embedded.ports import HOST
from hookstream.process.run import ProcessSettings
from hookstream.process.settings import Environment
from hookstream.stream.topics import EVENTS, RETRY, topics
from services.cli.environment import WRONG_SETTINGS
from services.cli.settings import known
from services.cli.topics import DIFFERS
from tests.deploy.rendered import (
    COMPONENT,
    JOBS,
    OVERLAYS,
    SERVICES,
    Manifest,
    container,
    filled,
    named,
    of_kind,
    ours,
    pod,
)

REPLICAS = {"small": 1, "production": 3}
TOPICS = {"small": topics(4, 4), "production": topics()}
WORKLOADS = ("Deployment", "Job", "StatefulSet")


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    """Each overlay in turn."""
    return str(request.param)


def workloads(overlay: str) -> list[Manifest]:
    """All that makes pods, that of others as well."""
    return list(of_kind(overlay, *WORKLOADS))


def settings(overlay: str, workload: Manifest) -> ProcessSettings:
    return Environment(filled(overlay, workload), known()).read(ProcessSettings)


def test_there_is_one_deployment_a_service_of_one_image_and_two_jobs(overlay: str) -> None:
    found = ours(overlay)
    assert set(found) == {*SERVICES, *JOBS}
    assert {found[name]["kind"] for name in SERVICES} == {"Deployment"}
    assert {found[name]["kind"] for name in JOBS} == {"Job"}
    assert len({container(m)["image"] for m in found.values()}) == 1
    assert [container(found[name])["args"] for name in SERVICES] == [[name] for name in SERVICES]
    replicas = {found[name]["spec"]["replicas"] for name in SERVICES}
    assert replicas == {REPLICAS[overlay]}


def test_pods_are_restricted(overlay: str) -> None:
    namespace = next(of_kind(overlay, "Namespace"))
    enforced = namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    assert enforced == "restricted"
    for workload in workloads(overlay):
        spec, only = pod(workload), container(workload)
        secured = spec["securityContext"]
        assert secured["runAsNonRoot"] is True
        assert secured["runAsUser"] > 0
        assert secured["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & spec.keys()
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }


def test_nobody_gets_a_token_of_kubernetes(overlay: str) -> None:
    for workload in workloads(overlay):
        assert pod(workload)["automountServiceAccountToken"] is False
        account = named(overlay, "ServiceAccount", pod(workload)["serviceAccountName"])
        assert account["automountServiceAccountToken"] is False
        assert pod(workload)["enableServiceLinks"] is False
    assert list(of_kind(overlay, "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")) == []


def test_every_container_says_what_it_needs_and_may_take(overlay: str) -> None:
    for workload in workloads(overlay):
        resources = container(workload)["resources"]
        assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}
        assert resources["requests"]["memory"] == resources["limits"]["memory"]


def test_what_is_written_is_bounded_and_on_a_volume(overlay: str) -> None:
    for workload in workloads(overlay):
        volumes = {volume["name"]: volume for volume in pod(workload)["volumes"]}
        writable = {
            mount["name"]: mount["mountPath"]
            for mount in container(workload)["volumeMounts"]
            if not mount.get("readOnly")
        }
        assert "/tmp" in writable.values()
        empty = [volume["emptyDir"] for volume in volumes.values() if "emptyDir" in volume]
        assert all(volume["sizeLimit"] for volume in empty)


@pytest.mark.parametrize("service", SERVICES)
def test_probes_ask_where_health_is_served(overlay: str, service: str) -> None:
    """Startup and liveness: do the loops move? Readiness alone asks for Kafka and Postgres."""
    workload = ours(overlay)[service]
    only, health = container(workload), settings(overlay, workload)
    assert (health.health_host, HOST) == ("0.0.0.0", "127.0.0.1")
    ports = {port["name"]: port["containerPort"] for port in only["ports"]}
    assert ports["health"] == health.health_port
    asked = {name: only[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert asked == {
        "startup": {"path": "/healthz/live", "port": "health"},
        "liveness": {"path": "/healthz/live", "port": "health"},
        "readiness": {"path": "/healthz/ready", "port": "health"},
    }


@pytest.mark.parametrize("service", SERVICES)
def test_the_grace_period_is_the_stop_budget(overlay: str, service: str) -> None:
    """Doors go on for a moment first; from SIGTERM on it is the budget in code."""
    workload = ours(overlay)[service]
    hook = container(workload).get("lifecycle", {}).get("preStop", {})
    before_s = hook.get("sleep", {}).get("seconds", 0)
    assert (before_s > 0) == (service in ("ingest", "console"))
    grace_s = pod(workload)["terminationGracePeriodSeconds"]
    assert grace_s - before_s == settings(overlay, workload).stop_budget_s


@pytest.mark.parametrize("service", SERVICES)
def test_disruptions_take_one_pod_at_a_time(overlay: str, service: str) -> None:
    workload = ours(overlay)[service]
    budget = named(overlay, "PodDisruptionBudget", f"hookstream-{service}")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == workload["spec"]["selector"]
    assert workload["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize("service", SERVICES)
def test_pods_are_spread_over_zones_and_nodes(overlay: str, service: str) -> None:
    workload = ours(overlay)[service]
    labels = workload["spec"]["template"]["metadata"]["labels"]
    spread = {s["topologyKey"]: s for s in pod(workload)["topologySpreadConstraints"]}
    assert spread.keys() == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    for constraint in spread.values():
        assert constraint["labelSelector"]["matchLabels"].items() <= labels.items()
        assert constraint["matchLabelKeys"] == [COMPONENT, "pod-template-hash"]
        assert constraint["nodeTaintsPolicy"] == "Honor"
    zones: dict[str, Any] = spread["topology.kubernetes.io/zone"]
    assert (zones["whenUnsatisfiable"] == "DoNotSchedule") == (overlay == "production")


def test_images_are_named_with_a_version(overlay: str) -> None:
    for workload in workloads(overlay):
        _, _, tag = container(workload)["image"].rpartition(":")
        assert tag[0].isdigit(), container(workload)["image"]


def test_what_differs_in_kafka_fails_its_job_at_once_and_kafka_away_is_tried_again(
    overlay: str,
) -> None:
    job = ours(overlay)["topics"]["spec"]
    (rule,) = job["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"]["values"] == [WRONG_SETTINGS, DIFFERS]
    assert job["backoffLimit"] > 3
    partitions = {topic.name: topic.partitions for topic in TOPICS[overlay]}
    assert container(ours(overlay)["topics"])["args"] == [
        "topics",
        "apply",
        f"--partitions={partitions[EVENTS]}",
        f"--delayed={partitions[RETRY]}",
        f"--replicas={REPLICAS[overlay]}",
    ]
