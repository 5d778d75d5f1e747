"""The receiver and the load of the bench: what a measurement rests on."""

import asyncio
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from bench import certificate
from bench.certificate import Certificate
from bench.http_load import LoadError, closed_loop, open_loop
from bench.receiver import Receiver


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def started(files: Certificate) -> Iterator[Receiver]:
    with Receiver(files) as receiver:
        yield receiver


@pytest.fixture
def receiver(started: Receiver) -> Receiver:
    started.clear()
    return started


def port_of(receiver: Receiver) -> int:
    return int(receiver.url.rpartition(":")[2])


def posts(path: str, count: int) -> Iterator[bytes]:
    for number in range(count):
        head = f"POST {path} HTTP/1.1\r\nwebhook-id: e{number}\r\ncontent-length: 2\r\n\r\n"
        yield head.encode() + b"{}"


def posted(url: str, event: str, tls: ssl.SSLContext | None = None) -> int:
    request = urllib.request.Request(url, b"{}", {"Webhook-Id": event}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30, context=tls) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_each_request_is_recorded_once_however_fast_they_come(receiver: Receiver) -> None:
    closed_loop(port_of(receiver), posts("/a", 2_000), b"200")
    open_loop(port_of(receiver), posts("/b", 300), 3_000, b"200")
    assert (receiver.total(), receiver.total("/a"), receiver.total("/b")) == (2_300, 2_000, 300)
    record = receiver.record("/b")
    assert [*record] == ["/b"]
    assert {seen.id for seen in record["/b"]} == {f"e{n}" for n in range(300)}


def test_once_means_that_the_first_request_of_each_event_fails(receiver: Receiver) -> None:
    url = f"{receiver.url}/once/7"
    assert [posted(url, event) for event in ("x", "y", "x", "y")] == [500, 500, 200, 200]
    assert [seen.status for seen in receiver.record()["/once/7"]] == [500, 500, 200, 200]


def test_https_is_served_with_the_certificate_of_the_run(
    receiver: Receiver, files: Certificate
) -> None:
    trusting = ssl.create_default_context(cafile=str(files.cert))
    before = receiver.opened()
    assert posted(f"{receiver.tls_url}/t", "x", trusting) == 200
    assert receiver.total("/t") == 1
    assert receiver.opened() > before


def test_one_that_hangs_never_answers_and_can_be_released(receiver: Receiver) -> None:
    asyncio.run(_hung(receiver))


async def _hung(receiver: Receiver) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(receiver))
    writer.write(next(posts("/hang/1", 1)))
    answer = asyncio.create_task(reader.read())
    while await asyncio.to_thread(receiver.total, "/hang/") == 0:
        assert not answer.done()
    await asyncio.to_thread(receiver.release)
    assert await asyncio.wait_for(answer, 30) == b""
    writer.close()


def test_an_open_loop_does_not_wait_for_answers(receiver: Receiver) -> None:
    """More requests hang than there were connections at the start: all were sent."""
    with pytest.raises(LoadError, match="100 requests were not answered"):
        open_loop(port_of(receiver), posts("/hang/2", 100), 1_000, b"200", within_s=0.5)
    assert receiver.total("/hang/") == 100


def test_a_wrong_answer_ends_the_load(receiver: Receiver) -> None:
    with pytest.raises(LoadError, match="200 OK"):
        closed_loop(port_of(receiver), posts("/a", 10), b"202")
