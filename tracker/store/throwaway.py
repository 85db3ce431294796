"""A data directory for one run: at its end it goes, with all that an embedded server needed elsewhere for it."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracker.store import embedded_files as files

_PREFIX = "tracker-demo-"


@contextmanager
def data_directory() -> Iterator[Path]:
    """A directory that is there for as long as this block lasts. What killed runs have left goes first."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        _discard_if_ownerless(left)
    fresh = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
    with files.own(fresh):  # before it has the name by which others find it
        directory = fresh.rename(fresh.with_name(fresh.name.removeprefix(".")))
        try:
            yield directory
        finally:
            _discard(directory)


def _discard_if_ownerless(directory: Path) -> None:
    """Surely ours: a directory of this user with the lock that its run held; ownerless: nobody holds it or works there."""
    if directory.is_symlink() or not directory.is_dir() or directory.stat().st_uid != os.geteuid():
        return
    try:
        with (directory / files.LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not files.server_processes(files.cluster_of(directory / "postgres")):
                _discard(directory)
    except (FileNotFoundError, BlockingIOError):
        return


def _discard(directory: Path) -> None:
    for path in [*files.elsewhere(directory / "postgres"), directory]:
        shutil.rmtree(path, ignore_errors=True)
