"""A Kafka that asks who one is and what one may: users and rights are those of the manifests."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
)
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.embedded.ports import HOST, free_port
from hookstream.stream.settings import KafkaSettings
from tests.deploy.rights import Right, granted
from tests.fixtures.kafka import wait_until

_PASSWORD = "not-so-secret"
_TYPES = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}
_PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "All": AclOperation.ALL,
}
_ANY: Any = None
_ALL = AclBindingFilter(
    ResourceType.ANY,
    _ANY,
    ResourcePatternType.ANY,
    _ANY,
    _ANY,
    AclOperation.ANY,
    AclPermissionType.ANY,
)


class Guarded(NamedTuple):
    """One broker: an open door for the tests, another where users say who they are."""

    inside: KafkaSettings
    """Everything is allowed."""
    address: str

    def variables(self, user: str) -> dict[str, str]:
        """What a service is told to be this user, without prefix."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.address,
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_USERNAME": user,
            "KAFKA_SASL_PASSWORD": _PASSWORD,
        }


@contextmanager
def guarded(overlay: str) -> Iterator[Guarded]:
    """Started with the overlay's users and exactly their rights; gone with the block."""
    users = granted(overlay)
    folder = Path(tempfile.mkdtemp(prefix="hookstream-guarded-"))
    port, door, voter = free_port(), free_port(), free_port()
    settings = _settings(port, door, voter, users)
    try:
        with EmbeddedKafka(folder, port=port, voters={1: voter}, settings=settings) as kafka:
            inside = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers)
            allow(inside, users)
            yield Guarded(inside, f"{HOST}:{door}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def allow(inside: KafkaSettings, users: dict[str, set[Right]]) -> None:
    """Give the users these rights; returns once the broker goes by them."""
    admin = AdminClient(inside.client("tests"))
    bindings = [_binding(user, right) for user, rights in users.items() for right in rights]
    for made in admin.create_acls(bindings).values():
        made.result(20)
    wait_until(lambda: set(bindings) <= set(admin.describe_acls(_ALL).result(20)))


def _binding(user: str, right: Right) -> AclBinding:
    return AclBinding(
        _TYPES[right.kind],
        right.name,
        _PATTERNS[right.pattern],
        f"User:{user}",
        "*",
        _OPERATIONS[right.operation],
        AclPermissionType.ALLOW,
    )


def _settings(port: int, door: int, voter: int, users: dict[str, set[Right]]) -> dict[str, str]:
    listeners = f"PLAINTEXT://{HOST}:{port},USERS://{HOST}:{door}"
    passwords = " ".join(f'user_{user}="{_PASSWORD}"' for user in users)
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    return {
        "listeners": f"{listeners},CONTROLLER://{HOST}:{voter}",
        "advertised.listeners": listeners,
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,USERS:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"
        ),
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.users.plain.sasl.jaas.config": f"{module} required {passwords};",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
