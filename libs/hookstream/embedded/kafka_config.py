"""The broker's settings: small, quick to elect and to rebalance, on 127.0.0.1 only."""

from collections.abc import Mapping
from pathlib import Path

from hookstream.embedded.ports import HOST

MEGABYTE = 1024 * 1024
SIXTY_DAYS_MIN = 60 * 24 * 60


def broker_properties(
    node_id: int, port: int, voters: Mapping[int, int], logs: Path, more: Mapping[str, str]
) -> dict[str, str]:
    """What `server.properties` says for one node; `voters` are node ids with controller ports."""
    copies = min(3, len(voters))
    return {
        "process.roles": "broker,controller",
        "node.id": str(node_id),
        "controller.quorum.voters": ",".join(f"{i}@{HOST}:{p}" for i, p in voters.items()),
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{voters[node_id]}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(logs),
        **_records(),
        **_internal_topics(copies),
        **_threads(),
        **_sessions(),
        **more,
    }


def _records() -> dict[str, str]:
    """Records of up to 2 MiB (topic dead); no topic by a slip of the pen; offsets that last."""
    return {
        "auto.create.topics.enable": "false",
        "unclean.leader.election.enable": "false",
        "message.max.bytes": str(3 * MEGABYTE),
        "replica.fetch.max.bytes": str(4 * MEGABYTE),
        "offsets.retention.minutes": str(SIXTY_DAYS_MIN),
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
    }


def _internal_topics(copies: int) -> dict[str, str]:
    """Few partitions, as many copies as there are brokers, at most three."""
    in_sync = str(max(1, copies - 1))
    return {
        "default.replication.factor": str(copies),
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": str(copies),
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": "2",
        "share.coordinator.state.topic.replication.factor": str(copies),
        "share.coordinator.state.topic.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": "2",
    }


def _threads() -> dict[str, str]:
    """For two cores and half a gigabyte."""
    return {
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        "log.cleaner.dedupe.buffer.size": str(16 * MEGABYTE),
    }


def _sessions() -> dict[str, str]:
    """A dead broker is noticed seconds before consumers' sessions end (docs/reliability.md); a
    broker that starts again after a kill waits no longer either."""
    return {"broker.heartbeat.interval.ms": "1000", "broker.session.timeout.ms": "5000"}


def as_properties(settings: Mapping[str, str]) -> str:
    """The text of a Java properties file."""
    return "".join(f"{name}={value}\n".replace("\\", "\\\\") for name, value in settings.items())


def quiet_logging(log: Path) -> str:
    """Log4j: warnings and worse, into one file that is bounded (two of 8 MB)."""
    return as_properties(
        {
            "status": "error",
            "rootLogger.level": "warn",
            "rootLogger.appenderRef.file.ref": "file",
            "appender.file.type": "RollingFile",
            "appender.file.name": "file",
            "appender.file.fileName": str(log),
            "appender.file.filePattern": f"{log}.%i",
            "appender.file.layout.type": "PatternLayout",
            "appender.file.layout.pattern": "%d{ISO8601} %p %c{1}: %m%n",
            "appender.file.policies.type": "Policies",
            "appender.file.policies.size.type": "SizeBasedTriggeringPolicy",
            "appender.file.policies.size.size": "8MB",
            "appender.file.strategy.type": "DefaultRolloverStrategy",
            "appender.file.strategy.max": "1",
        }
    )
