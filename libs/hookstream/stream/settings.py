"""Where Kafka is and how we speak to it (`HOOKSTREAM_KAFKA_…`)."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

SILENT_MS = 6_000
"""A broker that does not answer for so long is left for another. One whose machine stands still
keeps its connections: at librdkafka's minute nothing moved until it was back."""
CONNECTS_MS = 2_000
"""It takes new connections, too, and says nothing: tried again so often till another leads."""
REFRESH_MS = 5_000
"""How often clients ask who leads what; one small answer."""
ClientConfig = dict[str, str | int | float | bool]


class KafkaSettings(BaseModel):
    """How every service reaches Kafka. Fits any broker from 2.5 on."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    section: ClassVar[str] = "kafka"

    bootstrap_servers: str = "127.0.0.1:9092"
    """Brokers to begin with, host:port separated by commas."""
    topic_prefix: str = "hookstream."
    """Before the name of each topic of ours."""
    group_prefix: str = "hookstream."
    """Before the name of each consumer group of ours."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How brokers are spoken to."""
    sasl_mechanism: str | None = None
    """Such as SCRAM-SHA-512; with one of the SASL protocols."""
    sasl_username: str | None = None
    """Who we are to the brokers."""
    sasl_password: SecretStr | None = None
    """Its password."""
    ssl_ca_location: str | None = None
    """File with the certificates that sign the brokers'; the system's if not set."""
    compression: Literal["none", "lz4", "zstd", "snappy"] = "none"
    """Of what we produce."""
    linger_ms: float = Field(default=0.0, ge=0, le=1000)
    """How long the producer waits for more to fill a batch, in milliseconds."""
    session_timeout_ms: int = Field(default=10_000, ge=6_000, le=60_000)
    """After how many milliseconds of silence a consumer is taken for dead."""

    def topic(self, name: str) -> str:
        """The full name of one of our topics."""
        return self.topic_prefix + name

    def client(self, client_id: str) -> ClientConfig:
        """librdkafka's settings that producers, consumers and admin clients share."""
        config: ClientConfig = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
            "client.id": client_id,
            "log_level": 3,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1_000,
            "socket.keepalive.enable": True,
            "socket.nagle.disable": True,
            "socket.timeout.ms": SILENT_MS,
            "socket.connection.setup.timeout.ms": CONNECTS_MS,
            "topic.metadata.refresh.interval.ms": REFRESH_MS,
        }
        password = self.sasl_password.get_secret_value() if self.sasl_password else None
        optional = {
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.sasl_username,
            "sasl.password": password,
            "ssl.ca.location": self.ssl_ca_location,
        }
        return config | {name: value for name, value in optional.items() if value is not None}
