"""What went wrong at a receiver is told in words that its developer can act on."""

import socket
from pathlib import Path

from hookstream.embedded.ports import free_port
from tests.deliverer.receiver import certificate, serving
from tests.fixtures.receiver import Receiver
from tests.products.quickened import ended
from tests.products.raw import Connection, raw
from tests.system.shared import Shared

WORDS = {
    "refused": ("connection_refused", "nothing listens on that port"),
    "name": ("name_not_found", "check the host and its DNS records"),
    "address": ("address_not_allowed", "the host must be public"),
    "other-name": ("tls_name_mismatch", "certificate is for another host name"),
    "own-certificate": ("tls_untrusted", "certificate not trusted"),
    "connecting": ("timeout_connect", "no connection in time"),
    "waiting": ("timeout_answer", "no answer in time"),
    "reading": (None, "body was still coming at the deadline"),
    "hung-up": ("connection_lost", "closed before an answer came"),
    "no-http": ("invalid_answer", "not valid HTTP"),
}


def script(connection: Connection) -> None:
    match connection.request.path:
        case "/waiting":
            connection.hold()
        case "/reading":
            connection.drip(b"HTTP/1.1 500 x\r\ncontent-length: 100000\r\n\r\n")
        case "/no-http":
            connection.socket.sendall(b"SSH-2.0-OpenSSH_9\r\n\r\n")


def test_each_failure_says_what_it_was(
    products: Shared, receiver: Receiver, tmp_path: Path
) -> None:
    tenant = products.tenant()
    body = {"name": "once", "deadline_ms": 10_000, "schedule": {"delays_ms": []}}
    policy = tenant.post("/v1/policies", body)["id"]
    distrusted = Receiver(tls=serving(*certificate(tmp_path)))
    with raw(script) as odd, socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(128)  # takes connections, and never shakes hands
        urls = {
            "refused": f"http://127.0.0.1:{free_port()}/",
            "name": "https://no-such-host.invalid/",
            "address": "http://10.0.0.1/",
            "other-name": receiver.url.replace("localhost", "127.0.0.1"),
            "own-certificate": distrusted.url,
            "connecting": f"https://127.0.0.1:{deaf.getsockname()[1]}/",
        }
        urls |= {at: f"{odd.url}/{at}" for at in WORDS.keys() - urls.keys()}
        made = {tenant.webhook(url, name=at, policy=policy)["id"]: at for at, url in urls.items()}
        found = ended(tenant, tenant.send("user.invited"), len(WORDS))
        for webhook, at in made.items():
            (told,) = tenant.attempts(found[webhook]["id"])
            error, words = WORDS[at]
            assert told["error"] == error, at
            assert words in told["error_detail"], at
            assert "127.0.0.1" not in told["error_detail"]
    distrusted.close()
