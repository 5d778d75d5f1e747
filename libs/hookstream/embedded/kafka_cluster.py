"""Three Apache Kafka brokers on this machine: what a broker's death does, tried on real ones.

Each is broker and controller in one. Topics then have three copies, and a record is acknowledged
when two of them have it: one broker may die at any moment.
"""

import os
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from hookstream.embedded.child import EmbeddedError
from hookstream.embedded.kafka import START_S, EmbeddedKafka, new_cluster_id
from hookstream.embedded.ports import free_run

BROKERS = 3
SETTINGS = {
    # The log is cleaned seldom here, and its buffers are most of a small heap.
    "log.cleaner.threads": "1",
    "num.replica.fetchers": "1",
}


class EmbeddedCluster:
    """Brokers 1 to `brokers` on 127.0.0.1. As a context manager all are started, and stopped.

    heap_mb: of each JVM. settings: more broker settings, which win over ours. within_s: how long
    a start may take.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        brokers: int = BROKERS,
        heap_mb: int = 256,
        settings: Mapping[str, str] | None = None,
        within_s: float = START_S,
    ) -> None:
        ports = free_run(2 * brokers)
        voters = {number: ports[brokers + number - 1] for number in range(1, brokers + 1)}
        cluster_id = new_cluster_id()
        self.brokers = {
            number: EmbeddedKafka(
                data_dir / f"broker-{number}",
                port=ports[number - 1],
                heap_mb=heap_mb,
                settings={**SETTINGS, **(settings or {})},
                node_id=number,
                voters=voters,
                cluster_id=cluster_id,
                within_s=within_s,
            )
            for number in voters
        }

    @property
    def bootstrap_servers(self) -> str:
        """Addresses of all brokers, separated by commas."""
        return ",".join(broker.bootstrap_servers for broker in self.brokers.values())

    def pids(self) -> dict[str, list[int]]:
        """Processes by name, `kafka-1` and so on; empty for one that does not run."""
        return {f"kafka-{number}": broker.pids() for number, broker in self.brokers.items()}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """All at once, since none is ready before most are there. EmbeddedError if one is not."""
        with ThreadPoolExecutor(len(self.brokers)) as threads:
            starting = [threads.submit(broker.start) for broker in self.brokers.values()]
        failures = [error for each in starting if (error := each.exception()) is not None]
        if failures:
            self.stop()
            raise EmbeddedError("; ".join(map(str, failures))) from failures[0]

    def stop(self) -> None:
        """Stop all; nothing of them runs afterwards, may be repeated."""
        with ThreadPoolExecutor(len(self.brokers)) as threads:
            list(threads.map(EmbeddedKafka.stop, self.brokers.values()))

    def kill(self, number: int) -> None:
        """`kill -9` of one broker."""
        self.signal(number, signal.SIGKILL)

    def signal(self, number: int, what: signal.Signals) -> None:
        """Send one broker a signal, such as SIGSTOP."""
        os.kill(self.brokers[number].pid, what)

    def bring_back(self, number: int) -> None:
        """Start a killed broker again, on its data; returns when clients can use it."""
        self.brokers[number].stop()
        self.brokers[number].start()
