"""Connections to receivers: guarded, verified, kept alive within bounds of number and age."""

import asyncio
import ssl
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp

from services.deliverer.egress import SocketFactory
from services.deliverer.settings import EgressSettings


class CutWhileConnecting(asyncio.CancelledError):
    """A request was cancelled, by its deadline or by us, before it had a connection."""


class Connections(aiohttp.TCPConnector):
    """aiohttp's connector, which closes what is too old or too many instead of keeping it."""

    def __init__(
        self,
        settings: EgressSettings,
        open_socket: SocketFactory,
        max_kept: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        # limit=0: the slots of the process bound it, the connector's own queue would hide waiting.
        super().__init__(
            limit=0,
            ssl=tls or verifying(),
            keepalive_timeout=settings.keep_alive_s,
            ttl_dns_cache=settings.dns_ttl_s,
            dns_cache_max_size=100_000,
            socket_factory=open_socket,
            family=settings.family,
        )
        self._max_age_s = settings.max_connection_age_s
        self._max_kept = max_kept
        self._born: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    async def _create_connection(self, *args: Any) -> Any:
        try:
            protocol = await super()._create_connection(*args)
        except asyncio.CancelledError as error:
            raise CutWhileConnecting from error
        self._born[protocol] = monotonic()
        return protocol

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        age_s = monotonic() - self._born.get(protocol, 0.0)
        spent = age_s > self._max_age_s or len(self._born) > self._max_kept
        super()._release(key, protocol, should_close=should_close or spent)


def verifying() -> ssl.SSLContext:
    """The one TLS context of a process: verifies names and chains, TLS 1.2 or later."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
