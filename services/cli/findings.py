"""What `hookstream doctor` looks at: each function examines one thing and says what it found."""

import socket
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from hookstream.store.condition import condition
from hookstream.store.migrate import newest
from hookstream.store.pool import UNAVAILABLE
from hookstream.store.settings import PostgresSettings
from hookstream.stream.bounds import bounds
from hookstream.stream.codec import RegistryUnavailable
from hookstream.stream.condition import clock_ahead_ms, cluster
from hookstream.stream.groups import committed
from hookstream.stream.open import NOT_NOW, NotReady, check_partitions
from hookstream.stream.registry import RegistrySettings, SchemaRegistry
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.topics import DEAD, topics
from services.deliverer.egress import AddressNotAllowed, Egress
from services.deliverer.settings import EgressSettings

Level = Literal["ok", "warn", "fail"]
SKEW_MS = 1_000
"""Clocks further apart than this make delays and lateness wrong."""
OFFSETS_KEPT_MIN = 60 * 24 * 60
"""60 days: a group that stood still for that long still knows where it was (once.md 3)."""
ELECTED_MS = 5_000
"""What a broker's death may take beyond the broker's session: an election of controllers, another
coordinator, and its answer (docs/reliability.md)."""
_CONNECT_S = 5.0


class Finding(NamedTuple):
    """One thing: how it is, and where it is not well, what would do."""

    level: Level
    about: str
    said: str
    hint: str = ""


Examination = Iterator[Finding]


def kafka_cluster(kafka: KafkaSettings) -> Examination:
    """Brokers, topics, their settings, how long offsets are kept."""
    try:
        found = cluster(kafka)
    except NOT_NOW as error:
        yield Finding("fail", "kafka", str(error), "check HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS")
        return
    yield Finding("ok", "kafka", f"{found.brokers} brokers at {kafka.bootstrap_servers}")
    yield from _topics(found.replicas, found.brokers)
    for line in found.differing:
        yield Finding("warn", "topics", line, "set it, or know why it differs")
    kept = found.offsets_kept_min
    if kept is not None and kept < OFFSETS_KEPT_MIN:
        said = f"offsets of a stopped group are kept for {kept} minutes"
        hint = f"set offsets.retention.minutes to {OFFSETS_KEPT_MIN} or more on the brokers"
        yield Finding("warn", "kafka", said, hint)
    yield from sessions(found.brokers, found.broker_session_ms, kafka.session_timeout_ms)


def sessions(brokers: int, theirs_ms: int | None, ours_ms: int) -> Examination:
    """Whether our consumers' sessions outlast a broker's death. One broker has none to outlast:
    when it is back, it counts them anew."""
    if brokers < 2 or theirs_ms is None or theirs_ms + ELECTED_MS <= ours_ms:
        return
    said = (
        f"a dead broker is noticed after {theirs_ms} ms, and our sessions end after {ours_ms} ms:"
        " whole groups may lose their partitions, and repeat what is in flight"
    )
    hint = (
        f"set broker.session.timeout.ms to {max(ours_ms - ELECTED_MS, 1_000)} on brokers and"
        f" controllers, or HOOKSTREAM_KAFKA_SESSION_TIMEOUT_MS to {theirs_ms + ELECTED_MS}"
    )
    yield Finding("warn", "kafka", said, hint)


def _topics(replicas: dict[str, int], brokers: int) -> Examination:
    missing = [t.name for t in topics() if t.name not in replicas]
    if missing:
        hint = "hookstream topics apply"
        yield Finding("fail", "topics", f"missing: {', '.join(missing)}", hint)
    else:
        yield Finding("ok", "topics", f"all {len(replicas)} are there")
    few = [name for name, copies in replicas.items() if copies < min(3, brokers)]
    if few:
        said = f"less than three copies: {', '.join(few)}"
        yield Finding("warn", "topics", said, "a lost broker may lose them: raise their copies")


def kafka_config(kafka: KafkaSettings) -> Examination:
    """What the config topic says: partitions, groups' offsets, and the dead topic."""
    table = Table(kafka, "hookstream-doctor")
    try:
        table.catch_up()
        config = table.config
        said = f"{len(config.records)} records, {len(config.webhooks)} webhooks"
        yield Finding("ok", "config", said)
        check_partitions(kafka, config.topics)
        for group, noted in sorted(config.groups.items()):
            yield from _group(kafka, group, noted.partitions)
        dead = sum(b.end - b.start for b in bounds(kafka, DEAD, 1).values())
        if dead:
            said = f"{dead} records could not be read or were refused"
            yield Finding("warn", "dead", said, "GET /v1/log/dead says which and why")
    except NotReady as error:
        yield Finding("fail", "config", str(error))
    except NOT_NOW as error:
        yield Finding("fail", "config", str(error), "see the lines above")
    finally:
        table.close()


def _group(kafka: KafkaSettings, group: str, reads: dict[str, int]) -> Examination:
    lacking = []
    for topic, count in reads.items():
        at = committed(kafka, group, topic, count)
        lacking += [f"{topic} [{p}]" for p in range(count) if at.get(p) is None]
    if lacking:
        said = f"{group} has no offset of ours for {', '.join(lacking)}"
        yield Finding("fail", "offsets", said, "hookstream offsets shows and sets them")
    else:
        yield Finding("ok", "offsets", f"{group} knows where it stands")


def kafka_clock(kafka: KafkaSettings) -> Examination:
    """Whether the brokers' clock and ours agree."""
    try:
        ahead_ms = clock_ahead_ms(kafka)
    except TimeoutError as error:
        yield Finding("fail", "clock", f"Kafka: {error}", "see the lines above")
        return
    yield _clock("Kafka's", ahead_ms)


def _clock(whose: str, ahead_ms: int) -> Finding:
    if abs(ahead_ms) <= SKEW_MS:
        return Finding("ok", "clock", f"{whose} agrees with ours")
    way = "ahead of" if ahead_ms > 0 else "behind"
    said = f"{whose} is {abs(ahead_ms)} ms {way} ours"
    return Finding("fail", "clock", said, "run a time service (NTP) on every machine")


def registry(settings: RegistrySettings, kafka: KafkaSettings) -> Examination:
    """The schema registry, if one is set."""
    if settings.url is None:
        yield Finding("ok", "registry", "none is set: records say their schemas' fingerprints")
        return
    client = SchemaRegistry(settings, kafka.topic_prefix)
    try:
        ours = [s for s in client.subjects() if s.startswith(kafka.topic_prefix)]
    except RegistryUnavailable as error:
        hint = "check HOOKSTREAM_REGISTRY_URL; delivery goes on without it"
        yield Finding("warn", "registry", str(error), hint)
    else:
        yield Finding("ok", "registry", f"answers, with {len(ours)} subjects of ours")
    finally:
        client.close()


def postgres(settings: PostgresSettings) -> Examination:
    """The database: there, of this version's revision, its clock right."""
    try:
        found = condition(settings)
    except UNAVAILABLE as error:
        said = str(error).strip().splitlines()[0]
        yield Finding("fail", "postgres", said, "check HOOKSTREAM_POSTGRES_DSN; delivery goes on")
        return
    yield Finding("ok", "postgres", f"PostgreSQL {found.version} answers")
    if found.revision == newest():
        yield Finding("ok", "postgres", f"its tables are at revision {found.revision}")
    else:
        said = f"its tables are at revision {found.revision}, this version needs {newest()}"
        yield Finding("fail", "postgres", said, "hookstream migrate")
    yield _clock("PostgreSQL's", found.clock_ahead_ms)
    if found.outbox:
        said = f"{found.outbox} changes wait to be published"
        yield Finding("warn", "outbox", said, "is status running, and ready?")


def egress(settings: EgressSettings, url: str | None) -> Examination:
    """Where requests may go, and whether one gets there."""
    guard = Egress(settings.networks, settings.sources)
    if settings.networks:
        named = ", ".join(settings.allow)
        yield Finding("warn", "egress", f"requests may go to {named} too", "meant for development?")
    else:
        yield Finding("ok", "egress", "requests go to public addresses only")
    try:
        guard.check_sources()
    except OSError as error:
        hint = "check HOOKSTREAM_EGRESS_SOURCE_ADDRESS"
        yield Finding("fail", "egress", f"a source address is not ours: {error}", hint)
    if url is not None:
        yield from _reached(guard, url)


def _reached(guard: Egress, url: str) -> Examination:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = socket.getaddrinfo(parts.hostname or "", port, type=socket.SOCK_STREAM)
    except OSError as error:
        yield Finding("fail", "egress", f"{parts.hostname}: {error}", "check the name and DNS")
        return
    for info in addresses:
        yield _connected(guard, info)


def _connected(guard: Egress, info: Any) -> Finding:
    address = info[4][0]
    try:
        with guard.open_socket(info) as made:
            made.settimeout(_CONNECT_S)
            made.connect(info[4])
    except AddressNotAllowed:
        hint = "HOOKSTREAM_EGRESS_ALLOW names networks that may be reached all the same"
        return Finding("fail", "egress", f"{address} is not public: refused", hint)
    except OSError as error:
        return Finding("fail", "egress", f"{address}: {error}", "check routes and firewalls")
    return Finding("ok", "egress", f"{address} is reached")
