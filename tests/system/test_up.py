"""`hookstream up`: starts, stops, starts again, and leaves nothing behind, whatever ends it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from hookstream.embedded.child import EmbeddedError
from hookstream.embedded.ports import require_free
from services.cli.api import Api
from services.cli.brokers import without_ours
from services.cli.entrance import open_entrance
from services.cli.kept_keys import kept_key
from services.cli.ports import Ports, free
from services.cli.system import System
from tests.fixtures.kafka import wait_until
from tests.fixtures.system import MakeSystem

START_S = 90.0
STOP_S = 60.0


@contextmanager
def up(folder: Path, ports: Ports) -> Iterator["subprocess.Popen[bytes]"]:
    """`hookstream up` as a process, up and ready; it does not outlive the block."""
    settings = {
        "HOOKSTREAM_UP_DATA_DIR": str(folder),
        "HOOKSTREAM_UP_CONSOLE_PORT": str(ports.console),
        "HOOKSTREAM_UP_INGEST_PORT": str(ports.ingest),
        "HOOKSTREAM_UP_HEALTH_PORT": str(ports.health["ingest"]),
        "HOOKSTREAM_UP_KAFKA_PORT": str(ports.kafka),
        "HOOKSTREAM_UP_POSTGRES_PORT": str(ports.postgres),
    }
    said = folder / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli.main", "up"],
            env=without_ours() | settings,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: b"is up" in said.read_bytes() or process.poll() is not None, START_S)
        assert process.poll() is None, said.read_text()
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)


def of_folder(folder: Path) -> list[psutil.Process]:
    """Every process that has to do with this folder."""
    found = []
    for process in psutil.process_iter():
        try:
            told = [*process.cmdline(), process.environ().get("HOOKSTREAM_UP_DATA_DIR", "")]
        except psutil.Error:
            continue
        if any(str(folder) in word for word in told):
            found.append(process)
    return found


def test_a_system_stops_whole_and_starts_again_with_its_data(make_system: MakeSystem) -> None:
    system = make_system()
    system.start()
    pids = [pid for tree in system.pids().values() for pid in tree]
    assert len(system.pids()) == 8
    open_entrance(system, "kept")
    system.stop()
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    for port in (system.ports.console, system.ports.ingest, system.ports.kafka):
        require_free(port, "test")
    system.start()
    with Api(system.ports.console_url, system.operator_key) as operator:
        assert operator.get("/v1/workspaces/kept")["name"] == "kept"
    system.stop()
    assert not of_folder(system.data_dir)


def test_a_service_that_is_killed_starts_again(make_system: MakeSystem) -> None:
    system = make_system(services=["console"])
    system.start()
    before = system.pids()["console"][0]
    system.kill("console")
    wait_until(lambda: system.pids()["console"] not in ([], [before]), START_S)
    wait_until(system.services["console"].is_ready, START_S)


def test_a_service_that_cannot_start_is_named_with_its_reason(make_system: MakeSystem) -> None:
    system = make_system(services=["console"], settings={"HOOKSTREAM_SEAL_KEYS": "short"})
    with pytest.raises(EmbeddedError, match=r"(?s)console ended .*HOOKSTREAM_SEAL_KEYS"):
        system.start()
    assert not of_folder(system.data_dir)


def test_a_port_in_use_and_a_folder_in_use_are_named(make_system: MakeSystem) -> None:
    system = make_system(services=["console"])
    system.start()
    other = System(system.data_dir, free(), environ=without_ours(), services=["console"])
    with pytest.raises(EmbeddedError, match="in use by another Hookstream"):
        other.start()
    elsewhere = System(
        system.data_dir / "other", system.ports, environ=without_ours(), services=["console"]
    )
    with pytest.raises(EmbeddedError, match="HOOKSTREAM_UP_CONSOLE_PORT"):
        elsewhere.start()


def test_ctrl_c_ends_all_and_a_start_right_after_a_kill_meets_nothing(system_folder: Path) -> None:
    """What a killed one leaves is ending by itself, or ended by the next start."""
    ports = free()
    with up(system_folder, ports) as process:
        for child in of_folder(system_folder):
            assert child.pid == process.pid or os.getsid(child.pid) != os.getsid(process.pid)
        process.kill()
        process.wait()
    with up(system_folder, ports) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_S) == 0
    assert not of_folder(system_folder)


def test_keys_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    made = kept_key(tmp_path / "keys", "sealing")
    assert kept_key(tmp_path / "keys", "sealing") == made
    assert (tmp_path / "keys" / "sealing").stat().st_mode & 0o777 == 0o600
    assert kept_key(tmp_path / "keys", "operator") != made
