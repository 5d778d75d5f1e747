"""Strimzi's objects say what the code says: topics as they are applied, users with least rights."""

import pytest

from hookstream.embedded.kafka_config import _records
from hookstream.stream.topics import topics
from tests.deploy.rendered import named, of_kind
from tests.deploy.rights import (
    ON_KAFKA,
    PREFIX,
    applies_topics,
    granted,
    looks_at_lag,
    needed,
    operates,
)

CLUSTER = "hookstream"


def test_topics_are_those_that_are_applied() -> None:
    found = {
        topic["metadata"]["name"]: (
            topic["spec"]["partitions"],
            {name: str(value) for name, value in topic["spec"]["config"].items()},
        )
        for topic in of_kind("small", "KafkaTopic")
    }
    assert found == {PREFIX + t.name: (t.partitions, t.config) for t in topics()}
    assert {t["spec"]["replicas"] for t in of_kind("small", "KafkaTopic")} == {1}


@pytest.mark.parametrize("service", ON_KAFKA)
def test_a_service_may_do_what_its_loops_do_and_no_more(service: str) -> None:
    assert granted("small")[f"hookstream-{service}"] == needed(service)


def test_there_is_no_user_beside() -> None:
    users = granted("small")
    assert users.pop("hookstream-topics") == applies_topics()
    assert users.pop("hookstream-keda") == looks_at_lag()
    assert users.pop("hookstream-operator") == operates()
    assert users.keys() == {f"hookstream-{name}" for name in ON_KAFKA}


def test_all_belong_to_the_cluster_that_is_made() -> None:
    belonging = of_kind("small", "KafkaTopic", "KafkaUser", "KafkaNodePool")
    clusters = {m["metadata"]["labels"]["strimzi.io/cluster"] for m in belonging}
    assert clusters == {named("small", "Kafka", CLUSTER)["metadata"]["name"]}


def test_users_must_say_who_they_are_and_are_asked_what_they_may() -> None:
    kafka = named("small", "Kafka", CLUSTER)["spec"]["kafka"]
    assert [(li["tls"], li["authentication"]) for li in kafka["listeners"]] == [
        (True, {"type": "scram-sha-512"})
    ]
    assert kafka["authorization"] == {"type": "simple"}
    kinds = {user["spec"]["authentication"]["type"] for user in of_kind("small", "KafkaUser")}
    assert kinds == {"scram-sha-512"}


def test_the_broker_takes_records_as_large_as_ours_and_keeps_offsets_as_long() -> None:
    """As the embedded one does."""
    config = named("small", "Kafka", CLUSTER)["spec"]["kafka"]["config"]
    texts = {name: str(value).lower() for name, value in config.items()}
    wanted = {name: value for name, value in _records().items() if not name.startswith("group.")}
    assert wanted.items() <= texts.items()


def test_pods_of_strimzi_are_as_restricted_as_the_namespace_wants_it() -> None:
    """It would not let them in otherwise; what the operator does by itself is a setting of its."""
    node = named("small", "KafkaNodePool", "node")["spec"]["template"]
    operators = named("small", "Kafka", CLUSTER)["spec"]["entityOperator"]["template"]
    for pod in (node["pod"], operators["pod"]):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for name in ("topicOperatorContainer", "userOperatorContainer"):
        assert operators[name] == node["kafkaContainer"]
    secured = node["kafkaContainer"]["securityContext"]
    assert secured["allowPrivilegeEscalation"] is False
    assert secured["capabilities"] == {"drop": ["ALL"]}
