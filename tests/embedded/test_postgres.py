"""The embedded database: real, found again, never left behind, and nobody's folders opened."""

import os
import signal
import socket
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from hookstream.embedded.account import Account, link, place_for_data, place_of_programs
from hookstream.embedded.child import EmbeddedError
from hookstream.embedded.postgres import EmbeddedPostgres
from tests.fixtures.kafka import wait_until


def ask(dsn: str, question: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(question.encode()).fetchone()
        return row and row[0]


def test_it_starts_serves_stops_and_finds_its_rows_again(folder: Path) -> None:
    postgres = EmbeddedPostgres(folder)
    with postgres:
        pids = postgres.pids()
        assert pids[0] == postgres.pid
        assert ask(postgres.dsn, "SELECT 1") == 1
        with psycopg.connect(postgres.create_database("shop")) as connection:
            connection.execute("CREATE TABLE orders AS SELECT 7 AS id")
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert postgres.pids() == []
    with postgres:
        assert ask(postgres.create_database("shop"), "SELECT id FROM orders") == 7


def test_every_test_can_have_a_database_of_its_own(folder: Path) -> None:
    with EmbeddedPostgres(folder, settings={"fsync": "off"}) as postgres:
        first, second = (postgres.create_database(name) for name in ("one", 'o"dd name'))
        assert ask(first, "SELECT current_database()") == "one"
        with psycopg.connect(second):
            postgres.drop_database('o"dd name')
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(second)
        assert ask(postgres.dsn, "SHOW fsync") == "off"
        assert ask(postgres.dsn, "SELECT string_agg(c, '' ORDER BY c) FROM (VALUES"
                   " ('b'), ('A'), ('a'), ('B')) AS t(c)") == "ABab"  # fmt: skip


def test_a_kill_leaves_no_process_once_it_was_stopped(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        root = psutil.Process(postgres.pid)
        processes = [root, *root.children(recursive=True)]
        assert os.getsid(postgres.pid) != os.getsid(0)
        os.kill(postgres.pid, signal.SIGKILL)
        postgres.stop()
        assert psutil.wait_procs(processes, timeout=5)[1] == []
        postgres.start()
        assert ask(postgres.dsn, "SELECT 1") == 1


def test_it_ends_with_an_owner_that_is_killed(folder: Path, abandon: Callable[..., int]) -> None:
    left = abandon(EmbeddedPostgres, folder, whole=False)
    wait_until(lambda: not psutil.pid_exists(left), within_s=60)


def test_the_next_start_ends_what_a_killed_owner_left(
    folder: Path, abandon: Callable[..., int]
) -> None:
    left = abandon(EmbeddedPostgres, folder)
    assert psutil.pid_exists(left)
    with EmbeddedPostgres(folder) as postgres:
        assert not psutil.pid_exists(left)
        assert ask(postgres.dsn, "SELECT 1") == 1


def test_a_folder_in_use_is_refused_while_its_owner_lives(folder: Path) -> None:
    with (
        EmbeddedPostgres(folder) as postgres,
        pytest.raises(EmbeddedError, match=f"in use by process {os.getpid()}"),
    ):
        EmbeddedPostgres(folder).start()
    assert postgres.pids() == []


def test_a_port_in_use_is_named_with_the_setting_that_changes_it(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        postgres = EmbeddedPostgres(folder, port=port, port_setting="HOOKSTREAM_UP_POSTGRES_PORT")
        with pytest.raises(EmbeddedError, match=f"port {port} .*HOOKSTREAM_UP_POSTGRES_PORT"):
            postgres.start()


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    postgres = EmbeddedPostgres(folder, settings={"shared_buffers": "plenty"})
    with pytest.raises(EmbeddedError, match="plenty"):
        postgres.start()
    assert postgres.pids() == []


def test_the_password_is_for_its_owner_only(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        assert stat.S_IMODE((folder / "password").stat().st_mode) == 0o600
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(postgres.dsn, password="guess")


def test_a_private_folder_stays_private_and_the_data_goes_where_the_account_can_walk(
    folder: Path,
) -> None:
    private = Path(tempfile.mkdtemp(dir=folder))
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    account, refuge, wanted = Account(65534, 65534), folder / "refuge", private / "pg"
    wanted.mkdir()
    data = place_for_data(wanted, account, refuge)
    assert data.parent == refuge
    assert data == place_for_data(wanted, account, refuge)
    link(wanted, data)
    assert (wanted / "data").readlink() == data
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_programs_in_a_private_folder_are_copied_whole(folder: Path) -> None:
    private = Path(tempfile.mkdtemp(dir=folder))
    wheel = private / "wheel"
    (wheel / "pginstall18" / "bin").mkdir(parents=True)
    (wheel / "pginstall18" / "bin" / "postgres").write_bytes(b"a program")
    (private / "wheel.libs").mkdir()
    (private / "wheel.libs" / "libpq.so").write_bytes(b"a library")
    account = Account(65534, 65534)
    programs = place_of_programs(wheel, account, folder / "refuge")
    assert (programs / "bin" / "postgres").read_bytes() == b"a program"
    assert (programs / "../../wheel.libs/libpq.so").read_bytes() == b"a library"
    assert account.reaches(programs / "bin" / "postgres")
    assert place_of_programs(wheel, account, folder / "refuge") == programs
