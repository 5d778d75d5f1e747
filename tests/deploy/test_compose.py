"""docker-compose.yml: the same settings, everything pinned and probed, every file there."""

import functools
import re
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml
from psycopg import sql

from hookstream.embedded.kafka_config import _records, _sessions
from hookstream.process.run import ProcessSettings
from hookstream.process.settings import Environment
from hookstream.process.telemetry import TelemetrySettings
from hookstream.stream.registry import RegistrySettings
from services.cli.settings import SERVICES, known
from tests.deploy.rendered import ROOT, container, ours
from tests.deploy.test_settings import GROUPS, NEEDED

IMAGE = "hookstream:0.1.0"
KAFKA_SECURITY = {"KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_MECHANISM"}
KAFKA_SECURITY |= {"KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"}
GIVEN = {
    "HOOKSTREAM_SEAL_KEYS": "00112233445566778899aabbccddeeff" * 2,
    "HOOKSTREAM_CONSOLE_OPERATOR_KEY": "operator-key-0123456789abcdef",
    "POSTGRES_PASSWORD": "secret",
}
"""What .env is said to hold."""
OTHERS = {
    *("kafka", "postgres", "registry", "collector", "tempo", "prometheus", "grafana"),
    "grafana-role",
}
WITHOUT_PROBE = {"registry", "collector", "tempo"}
"""Nothing waits for these, and their images have no command that could ask."""
RUN = (*SERVICES, "topics", "migrate")


@functools.cache
def services() -> dict[str, dict[str, Any]]:
    """As compose reads them, variables filled in."""
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    found: dict[str, dict[str, Any]] = yaml.safe_load(filled(text))["services"]
    return found


def filled(text: str) -> str:
    """`${NAME:?why}` must be given; `${NAME:-default}` need not."""

    def value(match: re.Match[str]) -> str:
        name, needed, rest = match.groups()
        assert needed == "-" or "openssl" in rest, f"{name}: says what would do"
        return GIVEN[name] if needed == "?" else GIVEN.get(name, rest)

    return re.sub(r"\$\{(\w+):([?-])([^}]*)\}", value, text)


def environment(name: str) -> Environment:
    return Environment(services()[name]["environment"], known())


def test_it_has_all_services_and_what_they_need_and_what_watches_them() -> None:
    assert services().keys() == {*RUN, *OTHERS}
    assert {services()[name]["image"] for name in RUN} == {IMAGE}
    assert [services()[name]["command"] for name in SERVICES] == [[name] for name in SERVICES]
    built = {service.get("build") for service in services().values()}
    assert built == {".", None}


@pytest.mark.parametrize("name", RUN)
def test_a_service_starts_with_what_it_is_given(name: str) -> None:
    for group in (*GROUPS[name], ProcessSettings, TelemetrySettings, RegistrySettings):
        environment(name).read(group)
    given = {variable.removeprefix("HOOKSTREAM_") for variable in services()[name]["environment"]}
    assert NEEDED[name] - KAFKA_SECURITY - given == set()


@pytest.mark.parametrize("name", SERVICES)
def test_it_is_asked_where_health_is_served_and_given_its_time_to_stop(name: str) -> None:
    health = environment(name).read(ProcessSettings)
    probe = services()[name]["healthcheck"]["test"]
    assert probe[:3] == ["CMD", "python", "-c"]
    assert f"http://127.0.0.1:{health.health_port}/healthz/ready" in probe[3]
    compile(probe[3], "healthcheck", "exec")
    assert services()[name]["stop_grace_period"] == f"{health.stop_budget_s:.0f}s"


@pytest.mark.parametrize("name", RUN)
def test_it_is_as_restricted_as_on_a_cluster(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_image_is_pinned_and_whatever_can_is_probed() -> None:
    for name, service in services().items():
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?", service["image"]), name
        once = "on-failure" in service["restart"]
        assert once or name in WITHOUT_PROBE or "test" in service["healthcheck"], name


def test_what_is_waited_for_is_there_and_can_say_that_it_is_ready() -> None:
    for service in services().values():
        for other, when in service.get("depends_on", {}).items():
            found = services()[other]
            ready = "on-failure" in found["restart"]
            wanted = "service_completed_successfully" if ready else "service_healthy"
            assert when == {"condition": wanted}
            assert ready or "test" in found["healthcheck"]


def test_every_file_that_is_mounted_is_there_and_cannot_be_changed() -> None:
    mounts = [mount for service in services().values() for mount in service.get("volumes", ())]
    files = [mount.split(":") for mount in mounts if mount.startswith("./")]
    assert len(files) >= 6
    assert [path for path, *_ in files if not (ROOT / path).exists()] == []
    assert {rest[-1] for _, *rest in files} == {"ro"}


def test_nothing_is_reached_from_other_machines() -> None:
    ports = [port for service in services().values() for port in service.get("ports", ())]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_its_kafka_keeps_what_ours_keep_and_its_database_is_the_clusters() -> None:
    kafka = services()["kafka"]["environment"]
    for name, value in (_records() | _sessions()).items():
        variable = f"KAFKA_{name.replace('.', '_').upper()}"
        assert name == "group.min.session.timeout.ms" or kafka[variable] == value
    small = ours("small")
    assert container(small["topics"])["args"] == services()["topics"]["command"]


def test_those_who_watch_look_where_the_services_are() -> None:
    """Prometheus at every service's metrics, Grafana and the collector at what stands here."""
    (scraped, *_) = observability("prometheus.yaml")["scrape_configs"]
    (names,) = scraped["dns_sd_configs"]
    health = environment("router").read(ProcessSettings)
    assert (names["names"], names["port"]) == (list(SERVICES), health.health_port)
    sources = observability("grafana/provisioning/datasources/hookstream.yaml")["datasources"]
    hosts = {urlsplit(source["url"]).hostname for source in sources if "//" in source["url"]}
    traces = observability("collector.yaml")["exporters"]["otlp"]["endpoint"]
    hosts |= {traces.partition(":")[0]}
    sent_to = environment("router").read(TelemetrySettings).otlp_endpoint
    assert hosts | {urlsplit(sent_to or "").hostname} <= services().keys()
    named = re.findall(r"\$(\w+)", str(sources))
    assert set(named) <= services()["grafana"]["environment"].keys()


def observability(file: str) -> dict[str, Any]:
    """One of the files that are mounted."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "observability" / file).read_text("utf-8"))
    return found


def test_the_page_on_grafanas_role_says_what_the_file_does() -> None:
    page = " ".join((ROOT / "docs" / "observability.md").read_text("utf-8").split())
    text = (ROOT / "observability" / "grafana" / "role.sql").read_text("utf-8")
    grants = re.findall(r"GRANT [^;]*;", text)
    assert len(grants) == 3
    assert [grant for grant in grants if " ".join(grant.split()) not in page] == []


def test_grafana_reads_what_it_shows_and_nothing_secret(database: str) -> None:
    """The role's statements on a real database; they may be run again."""
    text = (ROOT / "observability" / "grafana" / "role.sql").read_text("utf-8")
    statements = text.replace(":'password'", "'secret'").encode()
    with psycopg.connect(database, autocommit=True) as connection:
        try:
            connection.execute(statements)
            connection.execute(statements)
            connection.execute("SET ROLE grafana")
            connection.execute("SELECT name, state FROM webhooks")
            connection.execute("SELECT id FROM deliveries")
            for hidden in ("secrets", "headers", "record", "url"):
                query = sql.SQL("SELECT {} FROM webhooks").format(sql.Identifier(hidden))
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(query)
        finally:
            connection.execute("RESET ROLE")
            connection.execute("DROP OWNED BY grafana")
            connection.execute("DROP ROLE grafana")
