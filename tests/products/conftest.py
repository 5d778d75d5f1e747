"""The running system that the five products' promises are held against, over HTTPS.

    def test_w9_something(products: Shared, receiver: Receiver) -> None:
        tenant = products.tenant(default_policy="workestra")
        webhook = tenant.webhook(receiver.url + "/hook", secret="your_webhook_secret")
        event = tenant.send("contact.created", '{"price":1.10}')
        wait_until(lambda: receiver.got)

One system serves all files here; each test has a workspace and a receiver of its own.
"""

import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.embedded.postgres import EmbeddedPostgres
from tests.deliverer.receiver import certificate, serving
from tests.fixtures.receiver import Receiver
from tests.products.first_minute import Minute, begun
from tests.system.shared import Shared, shared

SOURCE = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
"""Of this machine as well; other systems know the one loopback address only."""
RELEASED_PER_S = 10
PARKED_MOST = 60


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The certificate of `localhost` that the system trusts, and its key."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def tls(authority: tuple[Path, Path]) -> ssl.SSLContext:
    """What a receiver serves HTTPS with."""
    return serving(*authority)


@pytest.fixture(scope="session")
def products(
    broker: EmbeddedKafka, postgres: EmbeddedPostgres, authority: tuple[Path, Path]
) -> Iterator[Shared]:
    """The system, at the real clock. Its requests leave from an address of their own."""
    settings = {"SSL_CERT_FILE": str(authority[0]), "HOOKSTREAM_STATUS_FAILING_AFTER_S": "1"}
    settings |= {
        "HOOKSTREAM_EGRESS_SOURCE_ADDRESS": SOURCE,
        "HOOKSTREAM_EGRESS_PUBLISHED": f"{SOURCE}/32",
        "HOOKSTREAM_STATUS_RELEASE_PER_S": str(RELEASED_PER_S),
        "HOOKSTREAM_STATUS_PARKED_MOST": str(PARKED_MOST),
    }
    with shared(broker, postgres, **settings) as system:
        yield system


@pytest.fixture(scope="session")
def minute_begun(products: Shared, tls: ssl.SSLContext) -> Iterator[Minute]:
    """The first minute at the real clock, which passes while other tests run."""
    with begun(products, tls) as minute:
        yield minute


@pytest.fixture
def receiver(tls: ssl.SSLContext) -> Iterator[Receiver]:
    """A receiver over HTTPS; takes everything until told otherwise by its `rule`."""
    made = Receiver(tls=tls)
    yield made
    made.close()
