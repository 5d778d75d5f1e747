"""Admin clients, made once and kept: one that is thrown away while an answer is on its way to it
has crashed the process, and each costs threads and connections.
"""

from functools import lru_cache

from confluent_kafka.admin import AdminClient

from hookstream.stream.settings import KafkaSettings

_KEPT = 64


def admin_client(kafka: KafkaSettings, attempt: int = 0) -> AdminClient:
    """The admin client for this Kafka, whatever the prefixes; another `attempt` is another one."""
    return _kept(kafka.model_copy(update={"topic_prefix": "", "group_prefix": ""}), attempt)


def forget_clients() -> None:
    """Let all of them go: or each goes on looking for its broker."""
    _kept.cache_clear()


@lru_cache(maxsize=_KEPT)
def _kept(kafka: KafkaSettings, attempt: int) -> AdminClient:
    quiet = {"log_level": 2}  # what fails is raised; that Kafka is away, others say
    return AdminClient(kafka.client(f"hookstream-admin-{attempt}") | quiet)
