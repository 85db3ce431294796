"""Every rule of the embedded PostgreSQL, with real processes."""

import asyncio
import itertools
import os
import pwd
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import asyncpg
import pytest

from tests.support import postgres as support
from tracker.store import binaries, embedded_files
from tracker.store.binaries import EmbeddedPostgresError, NoBinaries
from tracker.store.embedded import SETTINGS, EmbeddedPostgres, attach_dsn
from tracker.store.embedded_files import cluster_of, server_processes

pytestmark = pytest.mark.database

ROOT = Path(__file__).parents[3]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends the server to another user")
PATIENCE = 60  # seconds after which something that must happen has not


@pytest.fixture(scope="session")
def programs(pytestconfig: pytest.Config) -> Path | None:
    return support.programs(pytestconfig.getoption("--postgres"))


@pytest.fixture
def folder() -> Generator[Path]:
    """A folder that the server's user can pass through, as pytest's own cannot be when root runs the tests."""
    path = Path(tempfile.mkdtemp(prefix="tracker-embedded-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def stopped(programs: Path | None) -> Generator[Path]:
    """A data directory that was used and left in order."""
    with tempfile.TemporaryDirectory(prefix="tracker-embedded-") as base:
        Path(base).chmod(0o711)
        server = EmbeddedPostgres(Path(base, "data"), binaries=programs)
        support.run(server.start())
        support.run(server.stop())
        yield Path(base, "data")


@pytest.fixture
def data(folder: Path, stopped: Path) -> Path:
    """The test's own copy of it."""
    return copy(stopped, folder / "data")


@pytest.fixture
async def server(data: Path, programs: Path | None) -> AsyncGenerator[EmbeddedPostgres]:
    async with EmbeddedPostgres(data, binaries=programs) as server:
        yield server


@contextmanager
def service(
    data: Path, programs: Path | None, *, python: str = sys.executable, uid: int | None = None
) -> Generator[tuple["subprocess.Popen[str]", IO[str]]]:
    """Runs tests/support/embedded_service.py; whatever happens, it does not outlive the test."""
    command = [python, "-m", "tests.support.embedded_service", str(data), *([str(programs)] if programs else [])]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), *(path for path in sys.path if "site-packages" in path)])},
        user=uid,
        group=uid and pwd.getpwuid(uid).pw_gid,
        extra_groups=None if uid is None else [],
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - processes that are not our children tell us nothing
            await asyncio.sleep(0)


async def fetchval(server: EmbeddedPostgres, query: str) -> object:
    connection = await asyncpg.connect(server.dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def user_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


async def test_a_killed_service_leaves_no_orphan_and_loses_no_acknowledged_row(
    data: Path, programs: Path | None
) -> None:
    kept = 0
    for _ in range(5):
        rows = random.randrange(1, 400)
        with service(data, programs) as (process, lines):
            assert lines.readline() == "started\n"
            last = kept
            for line in itertools.islice(lines, rows):
                last = int(line)
            process.kill()
            last = max([last, *map(int, lines.read().split())])
        await until(lambda: not server_processes(cluster_of(data)))

        async with EmbeddedPostgres(data, binaries=programs) as server:
            kept = int(str(await fetchval(server, "select max(n) from written")))
            assert kept >= last
            assert await fetchval(server, "select count(*) from written") == kept


async def test_a_service_killed_at_its_first_start_leaves_nothing_in_the_way(
    folder: Path, programs: Path | None
) -> None:
    with service(folder / "data", programs) as (process, _):
        await until(lambda: any((folder / "data").glob("cluster.new-*/base")))
        process.kill()

    async with EmbeddedPostgres(folder / "data", binaries=programs) as server:
        assert await fetchval(server, "select 1") == 1
    assert list((folder / "data").glob("cluster.new-*")) == []


async def test_a_killed_server_is_started_again_and_has_every_row(server: EmbeddedPostgres, data: Path) -> None:
    await fetchval(server, "create table written (n int)")
    await fetchval(server, "insert into written values (1)")
    before = server.pid
    assert before is not None

    supervising = asyncio.create_task(server.supervise())
    os.kill(before, signal.SIGKILL)
    await until(lambda: server.pid != before and attach_dsn(data) is not None)
    supervising.cancel()

    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                assert await fetchval(server, "select n from written") == 1
                break
            except asyncpg.CannotConnectNowError:
                continue


async def test_a_second_owner_is_refused_and_told_who_the_first_is(server: EmbeddedPostgres, data: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match=f"{data} is in use by process {os.getpid()}"):
        await EmbeddedPostgres(data).start()

    assert await fetchval(server, "select 1") == 1


async def test_another_command_attaches_while_the_server_runs_and_only_then(data: Path, programs: Path | None) -> None:
    assert attach_dsn(data) is None
    async with EmbeddedPostgres(data, binaries=programs):
        dsn = attach_dsn(data)
        assert dsn is not None
        connection = await asyncpg.connect(dsn)
        await connection.close()
    assert attach_dsn(data) is None


async def test_a_number_in_postmaster_pid_that_another_program_bears_by_now_neither_blocks_nor_dies(
    data: Path, programs: Path | None
) -> None:
    owner = cluster_of(data).stat()
    with stranger(owner) as process:
        write_as(owner, cluster_of(data) / "postmaster.pid", f"{process.pid}\n{cluster_of(data)}\n0\n5432\n\n\n")

        async with EmbeddedPostgres(data, binaries=programs) as server:
            assert await fetchval(server, "select 1") == 1

        assert process.poll() is None


async def test_a_number_in_postmaster_pid_of_another_postgres_neither_blocks_nor_dies(
    server: EmbeddedPostgres, stopped: Path, folder: Path, programs: Path | None
) -> None:
    other = copy(stopped, folder / "other")
    pid_file = cluster_of(other) / "postmaster.pid"
    write_as(cluster_of(other).stat(), pid_file, f"{server.pid}\n{cluster_of(other)}\n0\n5432\n\n\n")

    async with EmbeddedPostgres(other, binaries=programs) as second:
        assert await fetchval(second, "select 1") == 1

    assert await fetchval(server, "select 1") == 1


@pytest.mark.parametrize("text", ["", "12", "\n", "not a number\n"])
async def test_a_truncated_postmaster_pid_does_not_block(data: Path, programs: Path | None, text: str) -> None:
    write_as(cluster_of(data).stat(), cluster_of(data) / "postmaster.pid", text)

    async with EmbeddedPostgres(data, binaries=programs) as server:
        assert await fetchval(server, "select 1") == 1


@pytest.mark.parametrize("platform", ["linux", "darwin"])
async def test_an_orphan_is_found_and_stopped_by_the_next_start(
    data: Path, programs: Path | None, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system does not stop it with its owner: here it belongs to a process that lives on."""
    first = EmbeddedPostgres(data, binaries=programs)
    await first.start()
    assert first._lock is not None
    first._lock.close()
    orphan = first._server
    assert orphan is not None
    monkeypatch.setattr(sys, "platform", platform)

    async with EmbeddedPostgres(data, binaries=programs) as second:
        assert orphan.wait(PATIENCE) == 0
        assert second.pid != orphan.pid
        assert await fetchval(second, "select 1") == 1


async def test_ctrl_c_is_for_the_service_and_not_for_its_server(server: EmbeddedPostgres) -> None:
    assert server.pid is not None
    assert os.getsid(server.pid) != os.getsid(0)


async def test_a_start_from_a_thread_that_may_end_is_refused(folder: Path) -> None:
    complaints: list[Exception] = []

    def start() -> None:
        try:
            asyncio.run(EmbeddedPostgres(folder / "data").start())
        except EmbeddedPostgresError as error:
            complaints.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

    assert [str(error) for error in complaints] == [
        "start from the main thread: the server stops when the starting thread ends"
    ]


async def test_only_a_private_socket_leads_in_and_every_promise_of_durability_is_kept(
    server: EmbeddedPostgres, data: Path
) -> None:
    connection = await asyncpg.connect(server.dsn)
    shown = {row["name"]: row["setting"] for row in await connection.fetch("select name, setting from pg_settings")}
    await connection.close()

    assert shown["listen_addresses"] == ""
    assert (shown["data_checksums"], shown["fsync"], shown["full_page_writes"]) == ("on", "on", "on")
    assert (shown["synchronous_commit"], shown["jit"], shown["TimeZone"]) == ("on", "off", "UTC")
    assert shown["max_connections"] == SETTINGS["max_connections"]
    assert stat.S_IMODE((data / "socket").stat().st_mode) == 0o700


async def test_a_data_directory_with_a_long_path_gets_a_short_socket(
    folder: Path, stopped: Path, programs: Path | None
) -> None:
    data = folder / ("far-away-" * 12) / "data"
    data.parent.mkdir()
    copy(stopped, data)
    directory = embedded_files.socket_directory_of(data)

    async with EmbeddedPostgres(data, binaries=programs) as server:
        assert await fetchval(server, "select 1") == 1
        assert attach_dsn(data) == server.dsn
        assert len(os.fsencode(embedded_files.socket_of(data))) < 100
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    directory.rmdir()

    directory.mkdir(mode=0o777)
    directory.chmod(0o777)
    try:
        with pytest.raises(EmbeddedPostgresError, match="that no other can enter: remove it"):
            await EmbeddedPostgres(data, binaries=programs).start()
    finally:
        directory.rmdir()


async def test_a_server_that_cannot_start_says_what_it_said_itself(data: Path, programs: Path | None) -> None:
    server = EmbeddedPostgres(data, binaries=programs, settings={"shared_buffers": "much"})

    with pytest.raises(
        EmbeddedPostgresError, match=r'(?s)ended while starting.*invalid value for parameter "shared_buffers"'
    ):
        await server.start()

    async with EmbeddedPostgres(data, binaries=programs):  # the lock is free again
        pass


@pytest.mark.parametrize(
    ("version", "complaint"),
    [
        ("11\n", r"made by PostgreSQL 11 .* `apt install postgresql-11`.*pg_dump .*/socket.*pg_restore .*/socket"),
        ("", "is no data directory of PostgreSQL: its PG_VERSION is missing or damaged"),
    ],
)
async def test_a_data_directory_of_another_major_version_is_refused_with_the_way_out(
    data: Path, version: str, complaint: str
) -> None:
    write_as(cluster_of(data).stat(), cluster_of(data) / "PG_VERSION", version)

    with pytest.raises(NoBinaries, match=complaint):
        await EmbeddedPostgres(data).start()


@pytest.mark.skipif(not binaries.installed(), reason="needs PostgreSQL installed on the system")
async def test_the_systems_programs_serve_where_the_wheel_has_none_and_later_open_what_they_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(binaries, "_wheel", list)
        async with EmbeddedPostgres(folder / "data") as server:
            assert server.binaries == binaries.installed()[0].folder
            await fetchval(server, "create table written (n int)")

    async with EmbeddedPostgres(folder / "data") as server:
        made_by = int((folder / "data/cluster/PG_VERSION").read_text())
        version = await fetchval(server, "show server_version_num")
        assert int(str(version)) // 10_000 == made_by
        assert await fetchval(server, "select count(*) from written") == 0


def test_without_any_programs_the_error_says_what_to_install(folder: Path) -> None:
    with pytest.raises(NoBinaries, match=r"`apt install postgresql`.*TRACKER_DATABASE_URL"):
        binaries.for_new_cluster(folder)


def test_the_log_is_bounded_and_keeps_its_end(tmp_path: Path) -> None:
    log = tmp_path / "postgresql.log"
    with log.open("ab") as server:
        server.write(b"x" * 9 * 2**20 + b"the end")
        server.flush()
        embedded_files.bound_log(log)
        server.write(b"goes on")

    assert log.read_bytes() == b"goes on"
    kept = (tmp_path / "postgresql.log.1").read_bytes()
    assert len(kept) == 2**20
    assert kept.endswith(b"the end")


@as_root
async def test_root_lends_the_server_to_a_user_that_exists(server: EmbeddedPostgres, data: Path) -> None:
    assert server.pid is not None
    assert user_of(server.pid) == (data / "cluster").stat().st_uid != 0
    assert pwd.getpwuid(user_of(server.pid)).pw_name in {"postgres", "nobody"}


@as_root
async def test_what_the_servers_user_cannot_reach_is_kept_where_it_can(
    folder: Path, stopped: Path, programs: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a clone under /root: neither the data directory nor the virtual environment can be entered."""
    monkeypatch.setattr(embedded_files, "SHARED_STATE", folder / "var")
    private = folder / "private"
    private.mkdir(mode=0o700)
    own_programs = copy_programs(programs or binaries.for_new_cluster().folder, private)
    users = pwd.getpwall()

    for rows in (0, 1):
        async with EmbeddedPostgres(private / "data", binaries=own_programs) as server:
            await fetchval(server, "create table if not exists written (n int)")
            assert await fetchval(server, "select count(*) from written") == rows
            await fetchval(server, "insert into written values (1)")
            assert attach_dsn(private / "data") == server.dsn

    assert cluster_of(private / "data").is_relative_to(folder / "var")
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert pwd.getpwall() == users


@as_root
async def test_an_ordinary_user_runs_it_alone(folder: Path, programs: Path | None) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    home = folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, nobody, -1)
    python = python_for(nobody)

    with service(home / "data", programs, python=python, uid=nobody) as (process, lines):
        assert lines.readline() == "started\n"
        assert lines.readline() == "1\n"
        [postmaster] = server_processes(cluster_of(home / "data"))
        assert user_of(postmaster) == user_of(process.pid) == nobody
        process.kill()
    await until(lambda: not server_processes(cluster_of(home / "data")))

    with service(home / "data", programs, python=python, uid=nobody) as (process, lines):
        assert lines.readline() == "started\n"
        assert int(lines.readline()) > 1
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
    assert server_processes(cluster_of(home / "data")) == []


def python_for(uid: int) -> str:
    """An interpreter of our version that this user can run; root's own may lie under /root."""
    version = "{}.{}".format(*sys.version_info)
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        try:
            subprocess.run([python, "-c", ""], user=uid, extra_groups=[], check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip(f"user {uid} can run no Python {version}")


@contextmanager
def stranger(owner: os.stat_result) -> Generator["subprocess.Popen[bytes]"]:
    """A program of that user's that has nothing to do with PostgreSQL."""
    uid, gid = (owner.st_uid, owner.st_gid) if os.geteuid() == 0 else (None, None)
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, user=uid, group=gid) as process:
        yield process
        process.kill()


def copy(source: Path, target: Path) -> Path:
    """With the owners, which shutil does not keep."""
    subprocess.run(["cp", "-a", source, target], check=True)
    return target


def copy_programs(programs: Path, target: Path) -> Path:
    """The installation with what it is linked to, laid out as in site-packages."""
    package = programs.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(programs.parent, target / package.name / programs.parent.name, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    return target / package.name / programs.parent.name / "bin"


def write_as(owner: os.stat_result, path: Path, text: str) -> None:
    path.write_text(text)
    os.chown(path, owner.st_uid, owner.st_gid)
    path.chmod(0o600)
