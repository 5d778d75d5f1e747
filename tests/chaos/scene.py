"""The system that is broken: three brokers, Postgres, two of each service, a receiver, a load."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from hookstream.embedded.kafka_cluster import EmbeddedCluster
from hookstream.embedded.ports import free_run
from hookstream.embedded.postgres import EmbeddedPostgres
from hookstream.process.settings import Environment
from hookstream.store.migrate import migrate
from hookstream.stream.settings import KafkaSettings
from services.cli.api import Api
from services.cli.brokers import KAFKA_ADDRESS, POSTGRES_ADDRESS, without_ours
from services.cli.settings import known
from services.cli.topics import apply_topics
from tests.chaos.crew import Crew
from tests.chaos.load import KINDS, Load
from tests.chaos.plan import REPLICATED
from tests.chaos.receiver import FAILS, FLAKY, GOOD, HANGS, SLOW, Receiver

WORKSPACE = "chaos"
OPERATOR_KEY = "0123456789abcdef0123456789abcdef"
DELAYS_MS = [300, 700, 1_000, 2_000, 2_000, 2_000, 2_000, 2_000, 2_000, 2_000]
FAILS_TWICE_MS = [400, 800]
DEADLINE_MS = 2_000
BROKER_S = 150.0
"""A broker that comes back beside all the rest may take long: once it was 58 s."""


class Size(NamedTuple):
    """How big a run is."""

    session_s: float
    events_per_s: float
    partitions: int
    delayed: int
    two_of: tuple[str, ...] = REPLICATED
    """Of the services that may have replicas; of the others one runs."""


class Scene(NamedTuple):
    """All that runs, and what is known of it."""

    size: Size
    cluster: EmbeddedCluster
    postgres: EmbeddedPostgres
    crew: Crew
    receiver: Receiver
    kafka: KafkaSettings
    dsn: str
    load: Load
    webhooks: dict[str, str]
    """id -> name."""


@contextmanager
def scene(size: Size) -> Iterator[Scene]:
    """Everything started; stopped and deleted, whatever comes."""
    folder = Path(tempfile.mkdtemp(prefix="hookstream-chaos-"))
    folder.chmod(0o755)
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = EmbeddedCluster(folder / "kafka", settings=_brokers(size), within_s=BROKER_S)
        undo.callback(_end, cluster)
        postgres = undo.enter_context(EmbeddedPostgres(folder / "postgres"))
        dsn = postgres.create_database("hookstream")
        migrate(dsn)
        cluster.start()
        console, ingest = free_run(2)
        env = _env(size, cluster.bootstrap_servers, dsn, console, ingest)
        kafka = Environment(env, known()).read(KafkaSettings)
        apply_topics(kafka, size.partitions, size.delayed, 3)
        crew = Crew(folder / "services", env, size.two_of)
        undo.callback(crew.stop)
        crew.start()
        receiver = undo.enter_context(Receiver())
        key, webhooks = _subscribed(f"http://127.0.0.1:{console}", receiver.url)
        load = Load(f"http://127.0.0.1:{ingest}", key, kafka, WORKSPACE, size.events_per_s)
        yield Scene(size, cluster, postgres, crew, receiver, kafka, dsn, load, webhooks)


def wanted_of(event_type: str) -> dict[str, str]:
    """Webhook's name -> state in which a delivery of such an event must end."""
    kind = event_type.rpartition(".")[2]
    found = {f"{GOOD}-{kind}": "succeeded", f"{FLAKY}-{kind}": "succeeded"}
    some = {"0": (SLOW, "succeeded"), "1": (HANGS, "succeeded"), "2": (FAILS, "failed")}
    if kind in some:
        name, state = some[kind]
        found[f"{name}-{kind}"] = state
    return found


def _end(cluster: EmbeddedCluster) -> None:
    """What they hold is deleted anyway."""
    for number, broker in cluster.brokers.items():
        if broker.pids():
            cluster.kill(number)
    cluster.stop()


def _brokers(size: Size) -> dict[str, str]:
    """A dead broker must be known as dead well before the sessions end that it coordinated: else
    all members of its groups are replaced by themselves (docs/reliability.md)."""
    return {
        "broker.session.timeout.ms": str(int(size.session_s * 500)),
        "broker.heartbeat.interval.ms": "500",
    }


def _env(size: Size, servers: str, dsn: str, console: int, ingest: int) -> dict[str, str]:
    return without_ours() | {
        KAFKA_ADDRESS: servers,
        POSTGRES_ADDRESS: dsn,
        "HOOKSTREAM_KAFKA_SESSION_TIMEOUT_MS": str(int(size.session_s * 1000)),
        "HOOKSTREAM_SEAL_KEYS": "00" * 32,
        "HOOKSTREAM_CONSOLE_OPERATOR_KEY": OPERATOR_KEY,
        "HOOKSTREAM_CONSOLE_PORT": str(console),
        "HOOKSTREAM_CONSOLE_PUBLISH_WAIT_S": "25",
        "HOOKSTREAM_INGEST_PORT": str(ingest),
        "HOOKSTREAM_EGRESS_ALLOW": "127.0.0.0/8",
    }


def _subscribed(console: str, receiver: str) -> tuple[str, dict[str, str]]:
    """A key, and the webhooks by id."""
    with Api(console, OPERATOR_KEY) as operator:
        operator.post("/v1/workspaces", {"id": WORKSPACE, "name": WORKSPACE})
        wanted = {"name": "chaos", "role": "admin"}
        key: str = operator.post(f"/v1/workspaces/{WORKSPACE}/keys", wanted)["key"]
    with Api(console, key) as api:
        policies = {
            name: api.post(
                "/v1/policies",
                {
                    "name": name,
                    "deadline_ms": DEADLINE_MS,
                    "schedule": {"kind": "list", "delays_ms": delays_ms},
                },
            )["id"]
            for name, delays_ms in (("patient", DELAYS_MS), ("brief", FAILS_TWICE_MS))
        }
        webhooks = {}
        for kind in range(KINDS):
            for name in wanted_of(f"t.{kind}"):
                body = {
                    "name": name,
                    "url": f"{receiver}/{name}",
                    "events": [f"t.{kind}"],
                    "policy": policies["brief" if name.startswith(FAILS) else "patient"],
                }
                webhooks[api.post("/v1/webhooks", body, fine=(201,))["id"]] = name
    return key, webhooks
