"""One request against real receivers that behave in every bad way."""

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hookstream.model.errors import CUT_BY_PEER, CUT_IN_TIME, FAULTS
from hookstream.model.request import OutgoingRequest
from services.deliverer.answer import KEPT_BODY, Answer
from services.deliverer.connections import Connections, verifying
from services.deliverer.egress import Egress
from services.deliverer.send import READ_BODY, Sender
from services.deliverer.settings import EgressSettings
from services.deliverer.transport import AiohttpTransport
from tests.deliverer.receiver import (
    Script,
    answering,
    certificate,
    dripping,
    receiving,
    resetting,
    serving,
    silent,
)

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
LOOPBACK = EgressSettings(allow=("127.0.0.0/8", "::1/128"))


@asynccontextmanager
async def sending(
    settings: EgressSettings = LOOPBACK, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Sender]:
    connections = Connections(settings, Egress(settings.networks).open_socket, 100, tls)
    sender = Sender(AiohttpTransport(connections, settings.connect_timeout_s))
    yield sender
    await sender.close()


def a_request(
    url: str, method: str = "POST", body: bytes = b"{}", own: dict[str, str] | None = None
) -> OutgoingRequest:
    headers = [(b"webhook-id", b"evt_1"), (b"user-agent", b"Hookstream/x")]
    headers += [(name.encode(), value.encode()) for name, value in (own or {}).items()]
    return OutgoingRequest(method=method, url=url, headers=headers, body=body)


async def answered(script: Script, deadline_ms: int = 5000, **more: Any) -> Answer:
    async with receiving(script) as receiver, sending() as sender:
        return await sender.send(a_request(receiver.url(), **more), deadline_ms)


async def test_no_copy_of_a_body_is_kept_while_its_answer_is_waited_for() -> None:
    """With 2,000 requests of 8 KB in flight, each copy costs 16 MB."""
    body = bytes(10_000)
    async with receiving(silent) as receiver, sending() as sender:
        before = sys.getrefcount(body)
        request = a_request(receiver.url(), body=body)
        waiting = asyncio.create_task(sender.send(request, 60_000))
        del request
        async with asyncio.timeout(30):
            while not receiver.requests:
                await asyncio.sleep(0.01)
        assert sys.getrefcount(body) == before
        waiting.cancel()


async def test_the_wire_has_what_was_asked_and_host_and_length_and_nothing_else() -> None:
    async with receiving(answering(OK)) as receiver, sending() as sender:
        url = receiver.url(path="/a%2Fb/../c?x=%20y&z")
        answer = await sender.send(a_request(url, own={"X-Key": "v"}), 5000)
    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    assert body == b"{}"
    first, *lines = head.decode().split("\r\n")
    assert first == "POST /a%2Fb/../c?x=%20y&z HTTP/1.1"
    assert sorted(lines) == [
        "Content-Length: 2",
        f"Host: 127.0.0.1:{receiver.port}",
        "X-Key: v",
        "user-agent: Hookstream/x",
        "webhook-id: evt_1",
    ]
    assert (answer.status, answer.body, answer.truncated) == (200, b"ok", False)
    assert answer.headers == (("content-length", "2"),)
    assert (answer.error, answer.result_class) == (None, "status")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_other_methods(method: str) -> None:
    body = b"" if method == "GET" else b"{}"
    async with receiving(answering(OK)) as receiver, sending() as sender:
        await sender.send(a_request(receiver.url(), method, body), 5000)
    assert receiver.requests[0].startswith(method.encode())
    assert receiver.requests[0].endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (silent, "timeout_answer"),
        (dripping(b"HTTP/1.1 200 OK\r\nx-slow: "), "timeout_answer"),
        (dripping(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Wait\r\nx: "), "timeout_answer"),
        (resetting, "connection_lost"),
        (answering(then_close=True), "connection_lost"),
        (answering(b"HTTP/1.1 200 OK\r\ncontent-le", then_close=True), "connection_lost"),
        (answering(b"\x16\x03\x01 garbage\r\n\r\n"), "invalid_answer"),
        (answering(b"SSH-2.0-OpenSSH_9\r\n"), "invalid_answer"),
        (answering(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000 + b"\r\n\r\n"), "invalid_answer"),
        (answering(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"), "invalid_answer"),
    ],
    ids=["silent", "slow-headers", "endless-1xx", "reset", "closed", "cut", "binary", "ssh",
         "huge-header", "bad-length"],
)  # fmt: skip
async def test_what_brings_no_status_has_a_kind_and_words(script: Script, kind: str) -> None:
    answer = await answered(script, 2000 if kind == "timeout_answer" else 30_000)
    assert (answer.status, answer.error) == (None, kind)
    assert answer.detail
    assert "127" not in answer.detail
    assert answer.duration_ms < 20_000


async def test_a_dripping_body_is_cut_at_the_deadline_and_the_status_stands() -> None:
    """F3."""
    answer = await answered(dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n"), 2000)
    assert (answer.status, answer.truncated, answer.error) == (200, True, None)
    assert answer.detail == CUT_IN_TIME
    assert answer.body.startswith(b"x")
    assert answer.duration_ms < 1900


async def test_an_endless_body_is_cut_and_so_is_the_connection() -> None:
    endless = answering(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 65_536] * 500)
    async with receiving(endless) as receiver, sending() as sender:
        answers = [await sender.send(a_request(receiver.url()), 5000) for _ in range(2)]
        assert receiver.connections == 2
    assert [len(answer.body) for answer in answers] == [READ_BODY] * 2
    kept = answers[0].response
    assert kept is not None
    assert (len(kept.body), kept.truncated) == (KEPT_BODY, True)


async def test_a_body_that_breaks_off_leaves_the_status() -> None:
    answer = await answered(
        answering(b"HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\nabc", then_close=True)
    )
    assert (answer.status, answer.truncated, answer.detail) == (201, True, CUT_BY_PEER)


async def test_a_compressed_body_is_not_opened() -> None:
    bomb = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00"
    answer = await answered(answering(bomb))
    assert (answer.status, answer.body) == (200, b"\x1f\x8b\x08\x00")


async def test_redirects_and_cookies_are_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nlocation: /x\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n"
    async with receiving(answering(moved)) as receiver, sending() as sender:
        answers = [await sender.send(a_request(receiver.url()), 5000) for _ in range(2)]
    assert [answer.status for answer in answers] == [302, 302]
    assert len(receiver.requests) == 2
    assert b"cookie" not in receiver.requests[1].lower()


async def test_retry_after_is_handed_on_as_it_came() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nReTry-After: 120\r\ncontent-length: 0\r\n\r\n"
    assert (await answered(answering(busy))).retry_after == "120"


async def test_a_connection_is_kept_and_one_too_old_is_not() -> None:
    young = LOOPBACK.model_copy(update={"max_connection_age_s": 1e-9})
    for settings, connections in [(LOOPBACK, 1), (young, 3)]:
        async with receiving(answering(OK)) as receiver, sending(settings) as sender:
            for _ in range(3):
                await sender.send(a_request(receiver.url()), 5000)
            assert receiver.connections == connections


@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE"])
async def test_nothing_is_sent_twice_when_a_kept_connection_is_closed(method: str) -> None:
    """once.md 11: the engine's own repeat is off."""
    count = 0

    async def once(_: Any, writer: Any) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise EOFError
        writer.write(OK)

    async with receiving(once) as receiver, sending() as sender:
        made = a_request(receiver.url(), method, b"" if method == "GET" else b"{}")
        answers = [await sender.send(made, 5000) for _ in range(2)]
    assert [answer.error for answer in answers] == [None, "connection_lost"]
    assert len(receiver.requests) == 2


async def test_a_connection_with_half_a_request_in_it_is_not_kept() -> None:
    """An answer may come before all of the request is sent."""

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        with contextlib.suppress(OSError, EOFError):
            while await reader.read(65_536):
                await asyncio.sleep(0.001)
        writer.close()

    server = await asyncio.start_server(early, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, sending() as sender:
        made = a_request(f"http://127.0.0.1:{port}/", body=b"x" * 32_000_000)
        answers = [await sender.send(made, 10_000) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with sending() as sender:
            answer = await sender.send(a_request(f"http://127.0.0.1:{port}/"), 5000)
    assert answer.error == "connection_refused"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://does-not-exist.invalid/", "name_not_found"),
        ("http://10.0.0.1/", "address_not_allowed"),
        ("http://169.254.169.254/latest", "address_not_allowed"),
        ("ftp://127.0.0.1/", "invalid_request"),
        ("http:///x", "invalid_request"),
    ],
)
async def test_where_no_request_can_go(url: str, kind: str) -> None:
    async with sending() as sender:
        answer = await sender.send(a_request(url), 30_000)
    assert answer.error == kind
    assert "10.0" not in answer.detail


async def test_a_header_that_would_split_the_message_is_never_written() -> None:
    async with receiving(answering(OK)) as receiver, sending() as sender:
        answer = await sender.send(a_request(receiver.url(), own={"X-A": "a\r\nX-B: c"}), 5000)
        own = {"Content-Length": "9", "Transfer-Encoding": "chunked"}
        framed = a_request(receiver.url(), own=own)
        await sender.send(framed, 5000)
    assert answer.error == "invalid_request"
    [only] = receiver.requests
    assert b"Content-Length: 2\r\n" in only
    assert b"Transfer-Encoding" not in only


Trust = Callable[[Path], ssl.SSLContext]


def trusting(cert: Path) -> ssl.SSLContext:
    context = verifying()
    context.load_verify_locations(cert)
    return context


@pytest.mark.parametrize(
    ("name", "age_days", "trust", "error"),
    [
        ("localhost", 0, trusting, None),
        ("localhost", 0, lambda _: verifying(), "tls_untrusted"),
        ("localhost", 30, trusting, "tls_expired"),
        ("example.com", 0, trusting, "tls_name_mismatch"),
    ],
)
async def test_certificates(
    tmp_path: Path, name: str, age_days: int, trust: Trust, error: str | None
) -> None:
    cert, key = certificate(tmp_path, name, age_days)
    async with (
        receiving(answering(OK), serving(cert, key)) as receiver,
        sending(tls=trust(cert)) as sender,
    ):
        answer = await sender.send(a_request(receiver.url("https", "localhost")), 5000)
    assert answer.error == error


async def test_a_receiver_that_speaks_no_tls() -> None:
    async with receiving(answering(OK)) as receiver, sending() as sender:
        answer = await sender.send(a_request(receiver.url("https")), 500)
    assert answer.error in {"tls", "connection_lost", "timeout_connect"}


async def test_who_does_not_even_connect_in_time_is_told_apart_from_who_does_not_answer() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        with socket.socket() as first, socket.socket() as second:
            for filling in (first, second):  # a full backlog: the next one hears nothing
                filling.setblocking(False)
                filling.connect_ex(("127.0.0.1", port))
            async with sending() as sender:
                answer = await sender.send(a_request(f"http://127.0.0.1:{port}/"), 300)
    assert (answer.status, answer.error) == (None, "timeout_connect")
    assert answer.detail == FAULTS["timeout_connect"].words
    assert answer.result_class == "timeout"


async def test_a_handshake_that_never_ends_is_no_connection_in_time() -> None:
    async with receiving(silent) as receiver, sending() as sender:
        answer = await sender.send(a_request(receiver.url("https")), 300)
    assert answer.error == "timeout_connect"


async def test_any_transport_of_httpx_fits_behind_the_seam() -> None:
    def handle(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(202, headers={"x": "y"}, content=b"later")

    answer = await Sender(httpx2.MockTransport(handle)).send(a_request("http://x/"), 5000)
    assert (answer.status, answer.body) == (202, b"later")


async def test_of_connections_that_are_kept_the_one_used_last_is_taken() -> None:
    """The others are idle, and closed when that has been long enough."""
    ports: list[int] = []

    async def noting(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ports.append(writer.get_extra_info("peername")[1])
        writer.write(OK)

    async with receiving(noting) as receiver, sending() as sender:
        request = a_request(receiver.url())
        await asyncio.gather(*(sender.send(request, 5000) for _ in range(5)))
        at_once = len(set(ports))
        for _ in range(5):
            await sender.send(request, 5000)
    assert at_once > 1
    assert len(set(ports[5:])) == 1


async def test_our_transport_fits_under_an_httpx_client() -> None:
    connections = Connections(LOOPBACK, Egress(LOOPBACK.networks).open_socket, 10)
    async with (
        receiving(answering(OK)) as receiver,
        httpx2.AsyncClient(transport=AiohttpTransport(connections, 5)) as client,
    ):
        response = await client.post(receiver.url(), json={"a": 1})
    assert (response.status_code, response.text) == (200, "ok")
    assert receiver.requests[0].endswith(b'{"a":1}')


async def test_the_first_request_on_a_connection_tells_how_it_was_made(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "localhost", 0)
    async with (
        receiving(answering(OK), serving(cert, key)) as secure,
        receiving(answering(OK)) as plain,
        sending(tls=trusting(cert)) as sender,
    ):
        secured = await sender.send(a_request(secure.url("https", "localhost")), 5000)
        first = await sender.send(a_request(plain.url()), 5000)
        kept = await sender.send(a_request(plain.url()), 5000)
    assert None not in (secured.dns_ms, secured.connect_ms, secured.tls_ms)
    parts = [secured.dns_ms or 0, secured.connect_ms or 0, secured.tls_ms or 0]
    assert 0 <= sum(parts) <= secured.duration_ms
    assert (first.connect_ms is None, first.tls_ms) == (False, None)
    assert (kept.dns_ms, kept.connect_ms, kept.tls_ms) == (None, None, None)
