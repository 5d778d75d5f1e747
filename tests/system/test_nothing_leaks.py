"""Invariant 8, *nothing leaks*: secrets stand nowhere, forbidden addresses are never reached."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from secrets import token_hex

import httpx2
import pytest

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.embedded.postgres import EmbeddedPostgres
from hookstream.stream.topics import CONFIG, DELIVERIES, OUTCOMES
from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.system.collector import Collector
from tests.system.planted import found
from tests.system.shared import QUICK, Shared, Tenant, shared

ONCE = QUICK | {"name": "once", "schedule": {"kind": "list", "delays_ms": []}}
SPELLINGS = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://0.0.0.0:{port}/",
    "http://[::]:{port}/",
    "http://{host}:{port}/",
]
"""This machine, in all the ways a person may try to name it."""
ODD = ["http://127.1:{port}/", "http://2130706433:{port}/", "http://0x7f000001:{port}/"]
"""The same, where the HTTP engine may find that this is no host at all."""
ELSEWHERE = [
    "http://10.0.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/",
    "http://[64:ff9b::7f00:1]/",
]
"""Private networks and metadata services."""
ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]+\]|::|0x7f|2130706433")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


@pytest.fixture(scope="module")
def running(
    broker: EmbeddedKafka, postgres: EmbeddedPostgres, collector: Collector
) -> Iterator[Shared]:
    settings = {
        "HOOKSTREAM_TELEMETRY_OTLP_ENDPOINT": collector.url,
        "HOOKSTREAM_TELEMETRY_METRICS_EVERY_S": "1",
        "HOOKSTREAM_TELEMETRY_SAMPLE_RATIO": "1",
        "HOOKSTREAM_PROCESS_LOG_LEVEL": "debug",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with shared(broker, postgres, **settings) as system:
        yield system


class Planted:
    """Secrets of all kinds, used in every way that we can think of; all that was answered."""

    def __init__(self, running: Shared, receiver: Receiver) -> None:
        self.running, self.receiver = running, receiver
        self.answers: dict[str, bytes] = {}
        self.tenant = running.tenant()
        self.editor = running.tenant(self.tenant.workspace, "editor")
        self.secrets = {
            "API key": self.tenant.key,
            "another API key": self.editor.key,
            "operator's key": running.system.operator_key,
            "sealing key": (running.system.data_dir / "keys" / "sealing").read_text().strip(),
            "secret of our own": "planted-signing-secret",
            "secret after a change": "planted-after-a-change",
            "private header": "planted-header-value",
            "integration's private header": "planted-header-of-an-integration",
            "refused secret": "whsec_not*base64*planted",
            "refused header": "planted-refused\r\nheader",
            "unknown API key": "hk_planted-unknown-key",
        }

    def call(self, tenant: Tenant, method: str, path: str, body: object = None) -> httpx2.Response:
        """One request whose answer is looked at in the end."""
        answer = tenant.call(method, path, body)
        headers = repr(answer.headers.multi_items()).encode()
        number = len(self.answers)
        self.answers[f"answer {number} to {method} {path.partition('?')[0]}"] = (
            headers + answer.content
        )
        return answer

    def configure(self) -> None:
        """Webhooks with secrets, one refused for its secret, one for its header."""
        private = [{"key": "X-Key", "value": self.secrets["private header"], "private": True}]
        policy = self.tenant.post("/v1/policies", QUICK)["id"]
        signed = {"name": "own", "signature": {"scheme": "sha256", "header": "X-Signed"}}
        own = self.tenant.post("/v1/policies", QUICK | signed)["id"]
        made = self.tenant.webhook(f"{self.receiver.url}/ours", policy=policy, headers=private)
        self.secrets["secret we made"] = made["secret"]
        shared = self.integration()
        body = {"url": "/own", "integration": shared, "policy": own, "headers": private}
        body["secret"] = self.secrets["secret of our own"]
        path = f"/v1/webhooks/{self.tenant.post('/v1/webhooks', body)['id']}"
        changed = {"secret": self.secrets["secret after a change"]}
        assert self.tenant.call("PATCH", path, changed).status_code == 200
        self.refuse({"url": self.receiver.url, "secret": self.secrets["refused secret"]})
        bad = {"key": "X-Key", "value": self.secrets["refused header"], "private": True}
        self.refuse({"url": self.receiver.url, "headers": [bad]})
        looked_at = ["/v1/webhooks", path, f"/v1/webhooks/{made['id']}", "/v1/keys"]
        for each in [*looked_at, "/v1/integrations", f"/v1/integrations/{shared}"]:
            assert self.call(self.tenant, "GET", each).status_code == 200

    def integration(self) -> str:
        """One with a private header that its webhooks inherit; edited, so that it is sent back."""
        value = self.secrets["integration's private header"]
        headers = [{"key": "X-Shared", "value": value, "private": True}]
        body = {"name": "shared", "root_url": self.receiver.url, "headers": headers}
        answer = self.call(self.tenant, "POST", "/v1/integrations", body)
        assert answer.status_code == 201, answer.text
        id_ = str(answer.json()["id"])
        sent_back = {"headers": answer.json()["headers"]}
        edited = self.call(self.tenant, "PATCH", f"/v1/integrations/{id_}", sent_back)
        assert edited.status_code == 200, edited.text
        return id_

    def refuse(self, body: object) -> None:
        """A webhook that is not taken."""
        assert self.call(self.tenant, "POST", "/v1/webhooks", body).status_code == 422

    def deliver(self) -> None:
        """A traced event that is taken, one that fails, requests with keys that are not valid."""
        for type_ in ("good", "bad"):
            header = f"00-{token_hex(16)}-{token_hex(8)}-01"
            event = self.tenant.send(type_, traceparent=header)
            wait_until(partial(self._ended, event))
            self.call(self.tenant, "GET", f"/v1/log/events/{event}")
            for delivery in self.tenant.deliveries(event):
                self.call(self.tenant, "GET", f"/v1/log/deliveries/{delivery['id']}/attempts")
        unknown = Tenant(*self._urls(), "", self.secrets["unknown API key"])
        self.call(unknown, "GET", "/v1/webhooks")
        refused = unknown.publish(b'{"type":"a.b","data":1}')
        assert refused.status_code == 401
        self.answers["ingest's refusal"] = refused.content
        unknown.close()

    def look_around(self) -> None:
        """The console's page, by a link that works once; keys in places where none belongs."""
        link = self.tenant.post(f"/v1/workspaces/{self.tenant.workspace}/console-links", {})["url"]
        self.secrets["console link"] = link.partition("token=")[2]
        with httpx2.Client(base_url=self._urls()[0], trust_env=False, timeout=20) as browser:
            browser.get(f"/v1/webhooks?key={self.tenant.key}")
            browser.get(f"/v1/webhooks/{self.tenant.key}")
            browser.get(link)
            self.secrets["session"] = browser.cookies["hookstream_session"]
            page = browser.get("/")
            assert "good" in page.text
            self.answers["page"] = page.content
            self.answers["openapi"] = browser.get("/v1/openapi.json").content
            self.answers["used link"] = browser.get(link).content

    def _ended(self, event: str) -> bool:
        states = [delivery["state"] for delivery in self.tenant.deliveries(event)]
        return len(states) == 2 and set(states) <= {"succeeded", "failed"}

    def _urls(self) -> tuple[str, str]:
        ports = self.running.system.ports
        return ports.console_url, ports.ingest_url


@pytest.fixture(scope="module")
def planted(running: Shared, collector: Collector) -> Iterator[Planted]:
    """All that was planted, after it has gone all the ways."""
    receiver = Receiver(lambda got, _: (500 if b'"bad"' in got.body else 200, {}))
    made = Planted(running, receiver)
    made.configure()
    made.deliver()
    made.look_around()
    names = Counter({"GET /": 3, "POST": 1, "process outcomes": 1})
    wait_until(lambda: names <= Counter(span.name for span in list(collector.spans)))
    yield made
    receiver.close()


def test_what_was_planted_was_really_used(planted: Planted) -> None:
    sent = [header for got in planted.receiver.got for header in got.headers.items()]
    assert ("x-key", planted.secrets["private header"]) in sent
    assert ("x-shared", planted.secrets["integration's private header"]) in sent
    assert {name for name, _ in sent} >= {"webhook-signature", "x-signed"}
    assert len(planted.secrets) == 14


def test_planted_secrets_are_in_no_topic(running: Shared, planted: Planted) -> None:
    records = running.raw()
    places = {f"{number} of {r.topic}": r.bytes for number, r in enumerate(records)}
    assert {record.topic for record in records} >= {CONFIG, DELIVERIES, OUTCOMES}
    assert found(planted.secrets, places) == []


def test_planted_secrets_are_in_no_table(running: Shared, planted: Planted) -> None:
    tables = running.tables()
    assert planted.tenant.workspace.encode() in tables["webhooks"]
    assert found(planted.secrets, tables) == []


def test_planted_secrets_are_in_no_log(running: Shared, planted: Planted) -> None:
    logs = running.logs()
    assert b'"turn"' in logs["deliverer.log"]
    assert len(logs) == 6
    assert found(planted.secrets, logs) == []


def test_planted_secrets_are_in_no_trace_and_no_metric(
    collector: Collector, planted: Planted
) -> None:
    exported = {f"export {number}": raw for number, raw in enumerate(collector.raw)}
    assert found(planted.secrets, exported) == []


def test_planted_secrets_are_on_no_page_and_in_no_answer(planted: Planted) -> None:
    """But in the one answer that made them."""
    assert len(planted.answers) >= 15
    assert found(planted.secrets, planted.answers) == []


def test_planted_secrets_are_in_no_command_line(running: Shared, planted: Planted) -> None:
    """Which every user of the machine may read."""
    lines = {
        name: b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)
        for name, pids in running.system.pids().items()
    }
    assert all(lines.values())
    assert found(planted.secrets, lines) == []


# -- the egress guard ---------------------------------------------------------------------------


class Listener:
    """A socket on all of this machine's addresses that counts who connects."""

    def __init__(self) -> None:
        self.connections = 0
        self._sockets = [socket.create_server(("0.0.0.0", 0))]
        self.port: int = self._sockets[0].getsockname()[1]
        six = socket.create_server(("::", self.port), family=socket.AF_INET6)
        self._sockets.append(six)
        for each in self._sockets:
            threading.Thread(target=self._accept, args=(each,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    def close(self) -> None:
        for each in self._sockets:
            each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextmanager
def deliverer_with_defaults(running: Shared) -> Iterator[None]:
    """In place of the system's deliverer one whose settings allow no network of ours."""
    system = running.system
    system.stop_service("deliverer")
    environ = {name: v for name, v in os.environ.items() if not name.startswith("HOOKSTREAM_")}
    environ |= {
        "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS": running.kafka.bootstrap_servers,
        "HOOKSTREAM_KAFKA_TOPIC_PREFIX": running.kafka.topic_prefix,
        "HOOKSTREAM_KAFKA_GROUP_PREFIX": running.kafka.group_prefix,
        "HOOKSTREAM_SEAL_KEYS": (system.data_dir / "keys" / "sealing").read_text().strip(),
    }
    log = (system.data_dir / "logs" / "guarded.log").open("wb")
    command = [sys.executable, "-m", "tests.run_service", "deliverer"]
    process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
        log.close()
        system.start_service("deliverer")


def test_forbidden_addresses_are_never_reached_and_the_outcome_says_so_in_words(
    running: Shared,
) -> None:
    tenant = running.tenant()
    policy = tenant.post("/v1/policies", ONCE)["id"]
    listener = Listener()
    names = {"port": listener.port, "host": socket.gethostname()}
    with deliverer_with_defaults(running):
        urls = [spelling.format(**names) for spelling in SPELLINGS + ODD + ELSEWHERE]
        odd = {spelling.format(**names) for spelling in ODD}
        taken = {made: url for url in urls if (made := _made(tenant, url, policy))}
        assert len(taken) >= 8
        event = tenant.send("a.b")
        wait_until(lambda: len(tenant.deliveries(event)) == len(taken), 90)
        for delivery in tenant.deliveries(event):
            url = taken[delivery["webhook"]]
            (attempt,) = tenant.attempts(delivery["id"])
            assert (url, delivery["state"], attempt["status"]) == (url, "failed", None)
            told = attempt["error"], attempt["error_detail"]
            assert told == WORDS or (url in odd and told[0] == "invalid_request"), (url, told)
            shown = repr((delivery | {"webhook": ""}, attempt))
            assert not ADDRESS.search(shown), shown
    assert listener.connections == 0
    listener.close()


WORDS = ("address_not_allowed", "address not allowed: the host must be public")


def _made(tenant: Tenant, url: str, policy: str) -> str | None:
    """The webhook's id; None where the console refuses the URL, by its field."""
    answer = tenant.call("POST", "/v1/webhooks", {"url": url, "policy": policy})
    if answer.status_code == 422:
        assert (answer.json()["code"], answer.json()["field"]) == ("invalid_url", "url")
        return None
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_the_listener_would_have_seen_a_connection(running: Shared) -> None:
    """With the network allowed again, the same URL is reached: the guard is what kept it shut."""
    listener = Listener()
    tenant = running.tenant()
    policy = tenant.post("/v1/policies", ONCE)["id"]
    tenant.webhook(f"http://127.0.0.1:{listener.port}/", policy=policy)
    tenant.send("a.b")
    wait_until(lambda: listener.connections > 0)
    listener.close()
