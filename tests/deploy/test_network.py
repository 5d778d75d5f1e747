"""Who may speak with whom: the deliverer alone leaves the cluster, by the guard's own table."""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import pytest

from hookstream.process.settings import Environment
from hookstream.stream.settings import KafkaSettings
from services.cli.settings import known
from services.deliverer import egress
from services.ingest.settings import IngestSettings
from tests.deploy.rendered import COMPONENT, NAME, OVERLAYS, Manifest, filled, of_kind, ours

KAFKA_CLIENTS = {"ingest", "router", "deliverer", "retry", "status", "topics"}
POSTGRES_CLIENTS = {"status", "console", "migrate"}
Labels = dict[str, str]


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    """Each overlay in turn."""
    return str(request.param)


def selects(selector: Manifest, labels: Labels) -> bool:
    """Whether a label selector means a pod with these labels."""
    wanted = selector.get("matchLabels", {})
    listed = selector.get("matchExpressions", [])
    assert {expression["operator"] for expression in listed} <= {"In"}
    return wanted.items() <= labels.items() and all(
        labels.get(expression["key"]) in expression["values"] for expression in listed
    )


def rules(overlay: str, component: str, direction: str) -> Iterator[Manifest]:
    """What the policies allow this component."""
    labels = {NAME: "hookstream", COMPONENT: component}
    for policy in of_kind(overlay, "NetworkPolicy"):
        if selects(policy["spec"]["podSelector"], labels):
            yield from policy["spec"].get(direction, ())


def peers(overlay: str, component: str, port: int) -> list[Manifest]:
    """Where it may go on a port."""
    return [
        peer
        for rule in rules(overlay, component, "egress")
        if port in [p.get("port") for p in rule["ports"]]
        for peer in rule["to"]
    ]


def test_what_is_not_allowed_is_denied(overlay: str) -> None:
    """For every pod in the namespace, in both directions; no rule is open to all."""
    denied = [
        policy["spec"]["policyTypes"]
        for policy in of_kind(overlay, "NetworkPolicy")
        if policy["spec"]["podSelector"] == {} and not policy["spec"].get("egress")
    ]
    assert denied == [["Ingress", "Egress"]]
    for policy in of_kind(overlay, "NetworkPolicy"):
        assert all(rule.get("from") for rule in policy["spec"].get("ingress", ()))
        assert all(rule.get("to") for rule in policy["spec"].get("egress", ()))


def test_the_deliverer_may_go_where_the_egress_guard_lets_it(overlay: str) -> None:
    """IPv4 and IPv6, range by range."""
    blocks = {
        block["cidr"]: set(block.get("except", ()))
        for rule in rules(overlay, "deliverer", "egress")
        if rule["ports"] == [{"protocol": "TCP"}]
        for block in (peer["ipBlock"] for peer in rule["to"])
    }
    assert blocks == {
        "0.0.0.0/0": set(egress._DENIED_V4),
        egress._GLOBAL_V6: set(egress._DENIED_V6),
    }


def test_nobody_else_leaves_the_cluster(overlay: str) -> None:
    """Other ranges that a policy names lie within what the guard denies: private ones."""
    guard = egress.Egress()
    private = [ip_network(text) for text in (*egress._DENIED_V4, *egress._DENIED_V6)]
    for policy in of_kind(overlay, "NetworkPolicy"):
        only_deliverer = (
            policy["spec"]["podSelector"].get("matchLabels", {}).get(COMPONENT) == "deliverer"
        )
        for rule in policy["spec"].get("egress", ()):
            for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
                network = ip_network(block["cidr"])
                inside = any(_within(network, other) for other in private)
                assert inside or only_deliverer, policy["metadata"]["name"]
                assert not inside or not guard.allows(network[0])


def _within(one: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> bool:
    if isinstance(one, IPv4Network) and isinstance(other, IPv4Network):
        return one.subnet_of(other)
    return isinstance(one, IPv6Network) and isinstance(other, IPv6Network) and one.subnet_of(other)


def test_those_who_use_kafka_and_postgres_reach_them_and_no_other_does(overlay: str) -> None:
    found = ours(overlay)
    read = Environment(filled(overlay, found["router"]), known()).read(KafkaSettings)
    kafka = int(read.bootstrap_servers.rpartition(":")[2])
    assert {name for name in found if peers(overlay, name, kafka)} == KAFKA_CLIENTS
    assert {name for name in found if peers(overlay, name, 5432)} == POSTGRES_CLIENTS
    has = {name for name in found if "HOOKSTREAM_POSTGRES_DSN" in filled(overlay, found[name])}
    assert has == POSTGRES_CLIENTS


def test_all_may_ask_for_names_and_send_traces(overlay: str) -> None:
    for name in ours(overlay):
        assert peers(overlay, name, 53)
        assert peers(overlay, name, 4318)


@pytest.mark.parametrize("service", ["ingest", "console"])
def test_doors_are_open_to_the_ingress_controller(overlay: str, service: str) -> None:
    ports = {p["port"] for rule in rules(overlay, service, "ingress") for p in rule["ports"]}
    assert IngestSettings().port in ports
    assert 8800 in ports


def test_who_may_come_in_to_the_database_may_also_go_there() -> None:
    """In the small overlay it is a pod of ours, whose own policy must agree."""
    policies: dict[str, Any] = {
        m["metadata"]["name"]: m["spec"] for m in of_kind("small", "NetworkPolicy")
    }
    (rule,) = policies["postgres"]["ingress"]
    assert rule["from"] == [{"podSelector": policies["to-postgres"]["podSelector"]}]
    allowed = policies["kafka"]["ingress"][-1]
    assert allowed["from"] == [{"podSelector": policies["to-kafka"]["podSelector"]}]
