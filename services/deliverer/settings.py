"""How the deliverer reaches the internet (`HOOKSTREAM_DELIVERER_…`, `HOOKSTREAM_EGRESS_…`)."""

import socket
from ipaddress import ip_address
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.deliverer.egress import Address, Network, parse_networks


class DelivererSettings(BaseModel):
    """How much one process does at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    section: ClassVar[str] = "deliverer"

    slots: int = Field(default=2000, ge=8, le=100_000)
    """Requests in flight; a socket each."""
    waiting_mb: int = Field(default=64, ge=1, le=4096)
    """Bytes of deliveries that wait a moment in memory for their receiver."""
    public_url: str = "http://127.0.0.1:8801"
    """Where receivers reach ingest from outside, such as `https://hooks.example.com`: the base of
    the links by which they close deliveries later."""

    @field_validator("public_url")
    @classmethod
    def _is_a_base(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "?" in url or "#" in url:
            raise ValueError(
                "is not an http(s) URL without query, such as https://hooks.example.com"
            )
        return url.rstrip("/")


class EgressSettings(BaseModel):
    """Where requests may go and how connections are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    section: ClassVar[str] = "egress"

    allow: tuple[str, ...] = ()
    """Networks beside the public internet, such as `127.0.0.0/8` or `10.1.0.0/16`."""
    source_address: tuple[str, ...] = ()
    """Addresses of this machine that requests leave from (W7), one of IPv4 and one of IPv6; of the
    other kind, receivers are then not reached. None: as the system chooses."""
    connect_timeout_s: float = Field(default=5.0, gt=0, le=60)
    """How long opening a connection may take, TLS included, in seconds."""
    keep_alive_s: float = Field(default=45.0, ge=0, le=600)
    """How long an idle connection is kept."""
    max_connection_age_s: float = Field(default=300.0, gt=0, le=3600)
    """After which a connection is closed, so that changed names and rules take effect."""
    dns_ttl_s: int = Field(default=30, ge=0, le=300)
    """How long the addresses of a name are remembered, in seconds."""

    @field_validator("allow")
    @classmethod
    def _are_networks(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        parse_networks(texts)
        return texts

    @field_validator("source_address")
    @classmethod
    def _are_one_of_a_kind(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        kinds = [ip_address(text).version for text in texts]
        if len(set(kinds)) != len(kinds):
            raise ValueError("has two addresses of one kind: give one of IPv4 and one of IPv6")
        return texts

    @property
    def sources(self) -> tuple[Address, ...]:
        """`source_address`, read."""
        return tuple(map(ip_address, self.source_address))

    @property
    def family(self) -> socket.AddressFamily:
        """Of receivers' addresses: that of the source addresses, else any."""
        kinds = {source.version for source in self.sources}
        if len(kinds) != 1:
            return socket.AF_UNSPEC
        return socket.AF_INET if 4 in kinds else socket.AF_INET6

    @property
    def networks(self) -> tuple[Network, ...]:
        """`allow`, read."""
        return parse_networks(self.allow)
