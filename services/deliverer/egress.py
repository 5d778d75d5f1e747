"""The egress guard: which addresses a request may reach, checked where the socket is opened.

There, after name resolution and for literal addresses too, no spelling of a host gets around it.
`ipaddress.is_global` is not used: it calls multicast, NAT64 and 6to4 global.
"""

import socket
import sys
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
AddrInfo = tuple[Any, Any, int, str, tuple[Any, ...]]

_DENIED_V4 = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private
    "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata service
    "127.0.0.0/8",  # loopback
    "168.63.129.16/32",  # Azure's wire server, in a public range
    "169.254.0.0/16",  # link-local; metadata services
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # protocol assignments; Oracle's metadata service
    "192.0.2.0/24",  # documentation
    "192.31.196.0/24",  # AS112
    "192.52.193.0/24",  # AMT
    "192.88.99.0/24",  # 6to4 relays
    "192.168.0.0/16",  # private
    "192.175.48.0/24",  # AS112
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, broadcast
)
_GLOBAL_V6 = "2000::/3"
"""All that is ever routed; loopback, NAT64, site- and link-local, unique local lie outside."""
_DENIED_V6 = (
    "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4: carries any IPv4 address
    "2620:4f:8000::/48",  # AS112
    "3fff::/20",  # documentation
)


_FAMILIES: dict[type[Address], socket.AddressFamily] = {
    IPv4Address: socket.AF_INET,
    IPv6Address: socket.AF_INET6,
}
_BIND_ADDRESS_NO_PORT = 24 if sys.platform == "linux" else None  # named in Python from 3.12 on
"""The port is chosen when it connects, so that one serves many receivers: else 28,000 in all."""


class AddressNotAllowed(PermissionError):
    """Nothing may be sent to that address. Says neither which nor why: hosts are guessed at."""

    def __init__(self) -> None:
        super().__init__("address not allowed")


class NoSource(PermissionError):
    """Requests leave from given addresses, and none of them is of the receiver's kind."""

    def __init__(self) -> None:
        super().__init__("no source address of that kind")


class Egress:
    """Which addresses may be reached: public ones, and the networks that settings name.

    `sources`: the addresses of this machine that requests leave from (W7), one a family; then a
    receiver of the other family is not reached at all. None: as the system chooses.
    """

    def __init__(self, allowed: Sequence[Network] = (), sources: Sequence[Address] = ()) -> None:
        self._allowed = tuple(allowed)
        self._sources = {_FAMILIES[type(source)]: str(source) for source in sources}
        self._denied_v4 = tuple(map(IPv4Network, _DENIED_V4))
        self._denied_v6 = tuple(map(IPv6Network, _DENIED_V6))
        self._global_v6 = IPv6Network(_GLOBAL_V6)

    def allows(self, address: str | Address) -> bool:
        """Whether a request may go there. IPv4 in IPv6 (`::ffff:0:0/96`) counts as IPv4."""
        try:
            ip = _unmapped(ip_address(address) if isinstance(address, str) else address)
        except ValueError:
            return False
        if isinstance(ip, IPv6Address) and ip.scope_id is not None:
            return False
        return any(ip in network for network in self._allowed) or self._is_public(ip)

    def open_socket(self, info: AddrInfo) -> socket.socket:
        """A socket for one resolved address; aiohttp's `socket_factory`.

        Raises AddressNotAllowed before a socket exists, so nothing is ever sent there.
        """
        family, kind, protocol, _, address = info
        scoped = len(address) > 3 and address[3] != 0
        if family not in (socket.AF_INET, socket.AF_INET6) or scoped:
            raise AddressNotAllowed
        if not self.allows(address[0]):
            raise AddressNotAllowed
        made = socket.socket(family, kind, protocol)
        return self._bound(made) if self._sources else made

    def check_sources(self) -> None:
        """Raises OSError where a source is no address of this machine."""
        for family in self._sources:
            with socket.socket(family, socket.SOCK_STREAM) as made:
                self._bind(made)

    def _bound(self, made: socket.socket) -> socket.socket:
        try:
            self._bind(made)
        except BaseException:
            made.close()
            raise
        return made

    def _bind(self, made: socket.socket) -> None:
        source = self._sources.get(made.family)
        if source is None:
            raise NoSource
        if _BIND_ADDRESS_NO_PORT is not None:
            made.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        made.bind((source, 0))

    def _is_public(self, ip: Address) -> bool:
        if isinstance(ip, IPv4Address):
            return not any(ip in network for network in self._denied_v4)
        return ip in self._global_v6 and not any(ip in network for network in self._denied_v6)


SocketFactory = Callable[[AddrInfo], socket.socket]


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks from a setting, such as `127.0.0.0/8`. ValueError names the one it cannot read."""
    return tuple(ip_network(text) for text in texts)


def _unmapped(ip: Address) -> Address:
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return ip if mapped is None else mapped
