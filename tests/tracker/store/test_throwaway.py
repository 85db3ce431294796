"""What one run leaves nothing of, and what is nobody's to remove."""

import tempfile
from pathlib import Path

import pytest

from tracker.store import embedded_files, throwaway


@pytest.fixture(autouse=True)
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where directories for one run are made, and beside it where root puts clusters."""
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setattr(embedded_files, "SHARED_STATE", shared)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def moved(directory: Path, home: Path) -> None:
    """As root: the cluster stands elsewhere."""
    (home / "cluster").mkdir(parents=True)
    (directory / "postgres").mkdir()
    (directory / "postgres" / "cluster").symlink_to(home / "cluster")


def left_behind(room: Path, name: str, *, locked: bool = True) -> Path:
    directory = room / f"tracker-demo-{name}"
    directory.mkdir()
    if locked:
        (directory / embedded_files.LOCK).touch()
    return directory


def test_at_the_end_all_of_it_is_gone_also_what_stands_elsewhere(room: Path):
    with throwaway.data_directory() as directory:
        moved(directory, room / "shared" / "postgres-1")
        (directory / "secret_key").write_text("k")
    assert sorted(room.iterdir()) == [room / "shared"]
    assert list((room / "shared").iterdir()) == []


def test_a_cluster_that_is_not_where_we_put_ours_stays(room: Path):
    with throwaway.data_directory() as directory:
        moved(directory, room / "somebody's" / "postgres-1")
    assert (room / "somebody's" / "postgres-1" / "cluster").is_dir()
    assert not directory.exists()


def test_what_a_killed_run_left_goes_at_the_next_start(room: Path):
    moved(left_behind(room, "killed"), room / "shared" / "postgres-2")
    with throwaway.data_directory() as directory:
        assert sorted(room.glob("tracker-demo-*")) == [directory]
        assert list((room / "shared").iterdir()) == []


def test_what_has_an_owner_or_is_not_surely_ours_stays(room: Path, tmp_path_factory: pytest.TempPathFactory):
    unmarked = left_behind(room, "unmarked", locked=False)
    linked = room / "tracker-demo-linked"
    linked.symlink_to(left_behind(tmp_path_factory.mktemp("far"), "away"))
    with throwaway.data_directory() as first, throwaway.data_directory() as second:
        assert sorted(room.glob("tracker-demo-*")) == sorted([unmarked, linked, first, second])
    assert (linked / embedded_files.LOCK).exists()
