"""Connections to receivers: guarded, verified, kept alive within bounds of number and age."""

import asyncio
import ssl
from contextvars import ContextVar
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection

from services.deliverer.egress import SocketFactory
from services.deliverer.settings import EgressSettings


class CutWhileConnecting(asyncio.CancelledError):
    """A request was cancelled, by its deadline or by us, before it had a connection."""


class Dial:
    """How a connection came to be: when each part of making it was over, in seconds."""

    __slots__ = ("began", "connected", "ready", "resolved", "tls", "used")

    def __init__(self) -> None:
        self.began = self.resolved = self.connected = self.ready = monotonic()
        self.tls = False
        self.used = False

    @property
    def parts_ms(self) -> tuple[int, int, int | None]:
        """Name, connection, TLS handshake; None without one."""
        tls = self.ready - self.connected if self.tls else None
        parts = (self.resolved - self.began, self.connected - self.resolved)
        return int(parts[0] * 1000), int(parts[1] * 1000), None if tls is None else int(tls * 1000)


_DIAL: ContextVar[Dial] = ContextVar("dial")
"""Of the connection that this task is making."""


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
        self._dials: WeakKeyDictionary[Any, Dial] = WeakKeyDictionary()

    def first_use(self, protocol: Any) -> Dial | None:
        """How this connection was made, told to the first who asks; None if it was kept."""
        dial = self._dials.get(protocol)
        if dial is None or dial.used:
            return None
        dial.used = True
        return dial

    async def kept(self, key: ConnectionKey) -> Connection | None:
        """Of those that are open and idle the one used last, now in use; None where a new one is
        needed. If each had its turn, as the connector has it, none would ever be idle for long, and
        a receiver would be held as many as it once needed at a time."""
        if idle := self._conns.get(key):
            idle.rotate(1)
        return await self._get(key, [])

    async def _create_connection(self, *args: Any) -> Any:
        dial = Dial()
        _DIAL.set(dial)
        try:
            protocol = await super()._create_connection(*args)
        except asyncio.CancelledError as error:
            raise CutWhileConnecting from error
        dial.ready = monotonic()
        self._dials[protocol] = dial
        return protocol

    async def _resolve_host(self, *args: Any, **more: Any) -> Any:
        found = await super()._resolve_host(*args, **more)
        dial = _DIAL.get()
        dial.resolved = dial.connected = monotonic()
        return found

    async def _wrap_create_connection(self, *args: Any, **more: Any) -> Any:
        dial = _DIAL.get()
        dial.tls = more.get("ssl") is not None
        factory, *others = args

        def connected() -> Any:  # asked for when the socket is connected, before any handshake
            dial.connected = monotonic()
            return factory()

        return await super()._wrap_create_connection(connected, *others, **more)

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        dial = self._dials.get(protocol)
        too_old = dial is None or monotonic() - dial.ready > self._max_age_s
        spent = too_old or len(self._dials) > self._max_kept
        super()._release(key, protocol, should_close=should_close or spent)


def verifying() -> ssl.SSLContext:
    """The one TLS context of a process: verifies names and chains, TLS 1.2 or later."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
