"""Where requests may go, by table and by a socket that hears nothing."""

import asyncio
import socket
import sys
from collections.abc import Callable
from ipaddress import ip_address

import aiohttp
import pytest

from services.deliverer.egress import AddressNotAllowed, Egress, NoSource, parse_networks
from services.deliverer.settings import EgressSettings


def addresses(text: str) -> list[str]:
    return text.split()


DENIED = addresses("""
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1
127.255.255.254 168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1
172.31.255.255 192.0.0.1 192.0.0.8 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1
192.168.0.1 192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9
224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::8.8.8.8
::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::7f00:1
64:ff9b::808:808 64:ff9b:1::a00:1 100::1 100:0:0:1::1 2001::1 2001:2::1 2001:10::1 2001:20::1
2001:1ff::1 2001:db8::1 2002:7f00:1:: 2002:808:808::1 2620:4f:8000::1 3fff::1 3fff:fff::1
4000::1 5f00::1 8000::1 fc00::1 fd00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 2606:4700::1%eth0
feff::1 fec0::1 ff02::1 ff0e::1 localhost 127.1 2130706433 0x7f.1 1.2.3 256.1.1.1
""")
PUBLIC = addresses("""
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1
168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.1 172.15.255.255 172.32.0.1 192.0.1.1
192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1 203.0.112.1 223.255.255.255
2606:4700::1111 2001:4860:4860::8888 2001:200::1 2a00:1450::1 2400:cb00::1 ::ffff:8.8.8.8
2003::1 3ffe::1
""")


def test_the_table_is_long_enough() -> None:
    assert len(DENIED) + len(PUBLIC) >= 100


@pytest.mark.parametrize("address", DENIED)
def test_not_allowed(address: str) -> None:
    assert not Egress().allows(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_allowed(address: str) -> None:
    assert Egress().allows(address)


def test_a_network_of_the_settings_is_allowed_and_nothing_beside_it() -> None:
    egress = Egress(parse_networks(["127.0.0.0/8", "fd12::/16"]))
    assert all(map(egress.allows, ["127.0.0.1", "::ffff:127.0.0.1", "fd12::1", "8.8.8.8"]))
    assert not any(map(egress.allows, ["::1", "10.0.0.1", "fd13::1", "::127.0.0.1"]))


@pytest.mark.parametrize("text", ["127.0.0.1/8", "everything", "10.0.0.0/33"])
def test_a_setting_that_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_networks([text])


def test_other_families_and_scopes_get_no_socket() -> None:
    egress = Egress()
    for info in [
        (socket.AF_UNIX, socket.SOCK_STREAM, 0, "", ("/tmp/x",)),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2606:4700::1", 80, 0, 3)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80)),
    ]:
        with pytest.raises(AddressNotAllowed):
            egress.open_socket(info)


Spelling = Callable[[int], str]
SPELLINGS: list[Spelling] = [
    lambda port: f"http://127.0.0.1:{port}/",
    lambda port: f"http://localhost:{port}/",
    lambda port: f"http://[::ffff:127.0.0.1]:{port}/",
    lambda port: f"http://0.0.0.0:{port}/",
    lambda port: f"http://127.1:{port}/",
    lambda port: f"http://2130706433:{port}/",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_an_address_on_the_list_sees_no_connection(spelling: Spelling) -> None:
    """Invariant 8: however the host is spelled."""
    seen: list[object] = []
    server = await asyncio.start_server(lambda *peer: seen.append(peer), "127.0.0.1", 0)
    url = spelling(server.sockets[0].getsockname()[1])
    connector = aiohttp.TCPConnector(socket_factory=Egress().open_socket)
    async with server, aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.post(url)
        assert seen == []
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.close()


LINUX = sys.platform == "linux"
"""Where all of 127.0.0.0/8 belongs to the machine; elsewhere 127.0.0.1 alone does."""


def test_w7_a_socket_leaves_from_the_source_address_of_its_kind() -> None:
    source = "127.0.0.7" if LINUX else "127.0.0.1"
    loopback = parse_networks(["127.0.0.0/8", "::1/128"])
    egress = Egress(loopback, [ip_address(source)])
    egress.check_sources()
    info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))
    with egress.open_socket(info) as made:
        assert made.getsockname()[0] == source
    with pytest.raises(NoSource):
        egress.open_socket((socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 80, 0, 0)))


def test_w7_a_source_that_is_no_address_of_this_machine_is_told_at_the_start() -> None:
    with pytest.raises(OSError, match="assign"):
        Egress(sources=[ip_address("203.0.113.1")]).check_sources()


def test_w7_names_resolve_to_addresses_of_the_sources_kind() -> None:
    for given, family in [
        ((), socket.AF_UNSPEC),
        (("127.0.0.1",), socket.AF_INET),
        (("::1",), socket.AF_INET6),
        (("127.0.0.1", "::1"), socket.AF_UNSPEC),
    ]:
        assert EgressSettings(source_address=given).family == family
    for wrong in [("127.0.0.1", "127.0.0.2"), ("nowhere",)]:
        with pytest.raises(ValueError, match="address"):
            EgressSettings(source_address=wrong)
