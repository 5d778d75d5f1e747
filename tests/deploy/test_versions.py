"""What compose and a small cluster run is what `hookstream up` and the tests run."""

import subprocess

from hookstream.embedded.account import Account, place_of_programs
from hookstream.embedded.jars import ROOTS
from hookstream.embedded.postgres import _wheel
from tests.deploy.rendered import container, named
from tests.deploy.test_compose import services

CLUSTER = "hookstream"
DATA = "/var/lib/postgresql"
"""What the image of 18 wants mounted. Its data is in a folder below: 18/docker."""


def test_kafka_is_the_version_that_is_tested() -> None:
    tested = ROOTS[0].rpartition(":")[2]
    assert services()["kafka"]["image"].rpartition(":")[2] == tested
    assert named("small", "Kafka", CLUSTER)["spec"]["kafka"]["version"] == tested


def test_postgresql_is_the_version_that_is_tested_and_keeps_its_data() -> None:
    small = container(named("small", "StatefulSet", "postgres"))
    images = {services()[name]["image"] for name in ("postgres", "grafana-role")} | {small["image"]}
    assert images == {f"postgres:{_tested()}"}
    assert services()["postgres"]["volumes"] == [f"postgres:{DATA}"]
    assert DATA in [mount["mountPath"] for mount in small["volumeMounts"]]
    assert "PGDATA" not in [variable["name"] for variable in small["env"]]


def _tested() -> str:
    """The embedded server's version, as it says it."""
    postgres = place_of_programs(_wheel(), Account()) / "bin" / "postgres"
    command = [str(postgres), "--version"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return told.stdout.split()[-1]
