"""The least rights each service needs in Kafka, from what its loops read and write."""

from typing import NamedTuple

from hookstream.stream import topics
from services.cli.settings import SERVICES
from services.deliverer.main import GROUP as DELIVERER
from services.retry.main import GROUP as RETRY
from services.router.main import GROUP as ROUTER
from services.status.main import VIEWS, _group
from tests.deploy.rendered import Manifest, of_kind
from tests.unit.test_architecture import LOOPS, USES

PREFIX = "hookstream."
ON_KAFKA = tuple(name for name in SERVICES if name != "console")
GROUPS = {
    "router": {ROUTER},
    "deliverer": {DELIVERER},
    "retry": {RETRY},
    "status": {_group(topic) for topic in VIEWS},
}
TAIL = {"deliverer": {topics.OUTCOMES}}
"""Read beside the loops: what a deliverer has settled."""


class Right(NamedTuple):
    """One operation on one resource."""

    kind: str
    name: str
    pattern: str
    operation: str


def needed(service: str) -> set[Right]:
    """What a service must be allowed, and no more."""
    uses = [USES[loop.stem] for loop in LOOPS if loop.parent.name == service]
    reads = {topic for use in uses for topic in use.reads} | TAIL.get(service, set())
    writes = {topic for use in uses for topic in use.writes}
    if any(use.reads for use in uses):
        writes |= {topics.DEAD}
    groups = {
        Right("group", PREFIX + group, "literal", "Read") for group in GROUPS.get(service, ())
    }
    if service in TAIL:
        groups |= {Right("group", f"{PREFIX}tail", "literal", "Describe")}
    return every_service() | groups | of_topics(reads, "Read") | of_topics(writes, "Write")


def every_service() -> set[Right]:
    """Each reads config to its end, announces schemas and groups there, and counts partitions."""
    return {
        Right("topic", PREFIX, "prefix", "Describe"),
        Right("group", f"{PREFIX}table", "literal", "Describe"),
        *of_topics({topics.CONFIG}, "Read"),
        *of_topics({topics.CONFIG}, "Write"),
    }


def of_topics(names: set[str], operation: str) -> set[Right]:
    """One operation on each of these topics."""
    return {Right("topic", PREFIX + name, "literal", operation) for name in names}


def applies_topics() -> set[Right]:
    """What `hookstream topics apply` needs."""
    made = {Right("topic", PREFIX, "prefix", name) for name in ("Create", "DescribeConfigs")}
    return every_service() | made


def looks_at_lag() -> set[Right]:
    """What KEDA needs: it sees, and takes no part."""
    return {Right(kind, PREFIX, "prefix", "Describe") for kind in ("topic", "group")}


def operates() -> set[Right]:
    """What people need for the commands: everything, of what is ours."""
    return {Right(kind, PREFIX, "prefix", "All") for kind in ("topic", "group")}


def granted(overlay: str) -> dict[str, set[Right]]:
    """What the KafkaUsers of an overlay are allowed, by user."""
    return {user["metadata"]["name"]: _rights(user) for user in of_kind(overlay, "KafkaUser")}


def _rights(user: Manifest) -> set[Right]:
    acls = user["spec"]["authorization"]["acls"]
    assert all(acl.get("type", "allow") == "allow" and "host" not in acl for acl in acls)
    return {
        Right(acl["resource"]["type"], acl["resource"]["name"], acl["resource"]["patternType"], op)
        for acl in acls
        for op in acl["operations"]
    }
