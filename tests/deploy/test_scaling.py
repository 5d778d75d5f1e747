"""Processes by load: lag where a record waits for work, lateness where waiting is the work."""

import pytest

from hookstream.process.settings import Environment
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import topics
from services.cli.settings import known
from tests.deploy.rendered import Manifest, filled, named, of_kind, ours
from tests.deploy.rights import GROUPS, PREFIX
from tests.unit.test_architecture import LOOPS, USES

OVERLAY = "production"
SCALED = ("router", "deliverer", "retry", "status")
PARTITIONS = {topic.name: topic.partitions for topic in topics()}


def scaling(service: str) -> Manifest:
    found: Manifest = named(OVERLAY, "ScaledObject", f"hookstream-{service}")["spec"]
    return found


def triggers(service: str, kind: str) -> list[Manifest]:
    return [t["metadata"] for t in scaling(service)["triggers"] if t["type"] == kind]


def test_these_four_are_scaled() -> None:
    found = {m["spec"]["scaleTargetRef"]["name"] for m in of_kind(OVERLAY, "ScaledObject")}
    assert found == {f"hookstream-{service}" for service in SCALED}


@pytest.mark.parametrize("service", ["router", "deliverer", "status"])
def test_lag_is_that_of_the_services_own_group_on_its_own_topic(service: str) -> None:
    reads = {t for loop in LOOPS if loop.parent.name == service for t in USES[loop.stem].reads}
    kafka = Environment(filled(OVERLAY, ours(OVERLAY)[service]), known()).read(KafkaSettings)
    found = triggers(service, "kafka")
    assert found
    assert len(scaling(service)["triggers"]) == len(found)
    for lag in found:
        group = lag["consumerGroup"].removeprefix(PREFIX)
        assert group in GROUPS[service]
        assert lag["topic"].removeprefix(PREFIX) in reads
        assert service != "status" or group == f"status.{lag['topic'].removeprefix(PREFIX)}"
        assert lag["bootstrapServers"] == kafka.bootstrap_servers
        assert lag["excludePersistentLag"] == "true"


def test_retry_is_scaled_by_how_late_the_first_due_is_and_never_by_lag() -> None:
    (found,) = triggers("retry", "prometheus")
    assert triggers("retry", "kafka") == []
    assert "hookstream_retry_overdue_seconds" in found["query"]


@pytest.mark.parametrize("service", SCALED)
def test_there_are_never_more_members_than_partitions(service: str) -> None:
    reads = {t for loop in LOOPS if loop.parent.name == service for t in USES[loop.stem].reads}
    most = max(PARTITIONS[topic] for topic in reads)
    assert 3 == scaling(service)["minReplicaCount"] <= scaling(service)["maxReplicaCount"] <= most


@pytest.mark.parametrize("service", SCALED)
def test_scaling_down_takes_its_time(service: str) -> None:
    down = scaling(service)["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] >= 300
    assert scaling(service)["fallback"]["replicas"] == scaling(service)["minReplicaCount"]
