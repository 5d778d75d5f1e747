"""Admin clients, made once and kept: one that is thrown away while an answer is on its way to it
has crashed the process, and each costs threads and connections.
"""

from functools import lru_cache

from confluent_kafka.admin import AdminClient

from hookstream.stream.settings import KafkaSettings

_KEPT = 64


@lru_cache(maxsize=_KEPT)
def admin_client(kafka: KafkaSettings, attempt: int = 0) -> AdminClient:
    """The admin client for this Kafka; another `attempt` is another client."""
    return AdminClient(kafka.client(f"hookstream-admin-{attempt}"))
