"""Postgres was lost: status waits for `hookstream restore` before it reads on (once.md 17).

A database that is empty, or a backup, stands before what Kafka says was read, while the topic knows
newer configuration. To read on would act on deliveries of webhooks that nobody knows there.
"""

import logging
import threading
from collections.abc import Mapping
from contextlib import closing

from hookstream.model.config import Config
from hookstream.process.health import Health
from hookstream.store import offsets
from hookstream.store.current import ends, versions
from hookstream.store.pool import UNAVAILABLE
from hookstream.store.session import Session
from hookstream.stream.groups import committed
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import ConfigUnreachable, Table
from hookstream.stream.topics import EVENTS, OUTCOMES

RESTORE = "the topic knows newer configuration than Postgres: run `hookstream restore`"
_NAME = "restore"
_AGAIN_S = 2.0
logger = logging.getLogger(__name__)


def versions_of(config: Config) -> dict[str, int]:
    """The versions of what the topic holds, by key."""
    found = {key: getattr(r, "version", None) for key, r in list(config.records.items())}
    return {key: version for key, version in found.items() if version is not None}


def ahead(there: Mapping[str, int], valid: Mapping[str, int]) -> list[str]:
    """The keys of which the topic has a higher version than Postgres. Pure."""
    return [key for key, v in there.items() if v > valid.get(key, 0) and not ends(key)]


class Restored:
    """Asked once, before the loops start."""

    def __init__(self, dsn: str, kafka: KafkaSettings, table: Table, health: Health) -> None:
        self._session = Session(dsn)
        self._kafka, self._table, self._health = kafka, table, health

    def wait(self, stopping: threading.Event) -> None:
        """Return when Postgres has what it needs, or on `stopping`."""
        with closing(self._session):
            while not stopping.is_set() and self._is_lost():
                self._health.not_ready(_NAME, RESTORE)
                logger.error(RESTORE)
                stopping.wait(_AGAIN_S)
        self._health.ready(_NAME)

    def _is_lost(self) -> bool:
        try:
            self._table.catch_up()
            with self._session.transaction() as cursor:
                valid = dict(versions(cursor))
            return bool(ahead(versions_of(self._table.config), valid)) and self._stands_before()
        except (*UNAVAILABLE, ConfigUnreachable) as error:
            logger.warning("whether Postgres is whole is not known yet: %s", error)
            return True

    def _stands_before(self) -> bool:
        """Whether Kafka's commits, which follow those of Postgres, are ahead of it."""
        read: dict[tuple[str, int], int] = {}
        for topic in (OUTCOMES, EVENTS):
            note = self._table.config.groups.get(f"status.{topic}")
            count = note.partitions[topic] if note else 0
            at = committed(self._kafka, f"status.{topic}", topic, count) if count else {}
            read |= {(topic, p): each.offset for p, each in at.items() if each is not None}
        with self._session.transaction() as cursor:
            here = offsets.read(cursor, read)
        return any(at > (here[key].next_offset if key in here else 0) for key, at in read.items())
