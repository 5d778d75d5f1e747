"""Every variable is one that settings read, and each service starts with what it is given."""

import importlib
import re

import pytest

from hookstream.process.run import ProcessSettings
from hookstream.process.sealing import SealSettings
from hookstream.process.settings import PREFIX, Environment, SettingsError, variables
from hookstream.process.telemetry import TelemetrySettings
from hookstream.store.settings import PostgresSettings
from hookstream.stream.settings import KafkaSettings
from services.cli.settings import SERVICES, known
from tests.deploy.rendered import (
    JOBS,
    OVERLAYS,
    SECRETS,
    container,
    environment,
    filled,
    of_kind,
    ours,
)

GROUPS = {
    **{name: importlib.import_module(f"services.{name}.main").SETTINGS for name in SERVICES},
    "topics": (KafkaSettings,),
    "migrate": (PostgresSettings,),
}
KAFKA = {
    "KAFKA_BOOTSTRAP_SERVERS",
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SASL_PASSWORD",
}
NEEDED = {
    "ingest": {*KAFKA, "SEAL_KEYS", "INGEST_HOST"},
    "router": KAFKA,
    "deliverer": {*KAFKA, "SEAL_KEYS", "DELIVERER_PUBLIC_URL"},
    "retry": KAFKA,
    "status": {*KAFKA, "POSTGRES_DSN"},
    "console": {
        "POSTGRES_DSN",
        "SEAL_KEYS",
        "CONSOLE_OPERATOR_KEY",
        "CONSOLE_HOST",
        "CONSOLE_PUBLIC_URL",
    },
    "topics": KAFKA,
    "migrate": {"POSTGRES_DSN"},
}
"""What does not work at its default on a cluster, or has none."""
RUN = (*SERVICES, *JOBS)


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    """Each overlay in turn."""
    return str(request.param)


@pytest.mark.parametrize("name", RUN)
def test_it_starts_with_exactly_what_it_is_given(overlay: str, name: str) -> None:
    """The start's own reading: names that nobody knows and values that will not do end it."""
    environment = Environment(filled(overlay, ours(overlay)[name]), known())
    for group in (*GROUPS[name], ProcessSettings, TelemetrySettings):
        environment.read(group)


@pytest.mark.parametrize("name", RUN)
def test_what_is_needed_is_there_in_its_place(overlay: str, name: str) -> None:
    given = {
        variable.removeprefix(PREFIX) for variable in environment(overlay, ours(overlay)[name])
    }
    assert NEEDED[name] - given == set()


@pytest.mark.parametrize("name", RUN)
def test_a_secret_goes_to_those_alone_who_read_it(overlay: str, name: str) -> None:
    read = {v for group in (*GROUPS[name], ProcessSettings) for v in variables(group)}
    given = environment(overlay, ours(overlay)[name])
    assert {v for v, value in given.items() if not isinstance(value, str)} <= read


def test_secrets_are_named_and_never_written_down(overlay: str) -> None:
    assert list(of_kind(overlay, "Secret")) == []
    for workload in ours(overlay).values():
        for variable in container(workload)["env"]:
            secret = re.search(r"PASSWORD|DSN|KEY", variable["name"])
            assert bool(secret) <= ("value" not in variable), variable["name"]
    texts = [m["data"] for m in of_kind(overlay, "ConfigMap")]
    assert not [n for data in texts for n in data if re.search(r"PASSWORD|DSN|KEY", n)]


@pytest.mark.parametrize("name", ["ingest", "deliverer", "console"])
def test_without_a_setting_that_has_no_default_it_does_not_start(overlay: str, name: str) -> None:
    """And the error names the variable, and says what would do."""
    given = filled(overlay, ours(overlay)[name])
    del given["HOOKSTREAM_SEAL_KEYS"]
    assert SealSettings in GROUPS[name]
    with pytest.raises(SettingsError, match=r"HOOKSTREAM_SEAL_KEYS: is required .*32 bytes"):
        Environment(given, known()).read(SealSettings)


def test_a_mistyped_name_in_a_manifest_ends_the_start_with_the_right_one(overlay: str) -> None:
    given = filled(overlay, ours(overlay)["deliverer"])
    given["HOOKSTREAM_DELIVERER_PUBLIK_URL"] = "https://hooks.example.com"
    with pytest.raises(SettingsError, match="did you mean HOOKSTREAM_DELIVERER_PUBLIC_URL"):
        Environment(given, known())


def test_every_secret_that_is_named_is_one_that_the_page_says_to_make(overlay: str) -> None:
    named = {
        (value["name"], value["key"])
        for workload in ours(overlay).values()
        for value in environment(overlay, workload).values()
        if not isinstance(value, str)
    }
    assert named <= SECRETS.keys()
