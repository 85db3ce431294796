"""`tracker demo` as somebody types it: what it says, how it ends, and that nothing of it stays."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tracker import logs
from tracker.cli import main

ROOT = Path(__file__).parents[2]
SOON = 60  # seconds


@asynccontextmanager
async def playing(folder: Path, *options: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """The demo in a process of its own, whose temporary files are in `folder`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tracker", "demo", "--port", str(free_port()), *options),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def heard(process: asyncio.subprocess.Process, words: str) -> str:
    """All that is said until these words are."""
    said = ""
    assert process.stderr is not None
    async with asyncio.timeout(SOON):
        while words not in said:
            line = await process.stderr.readline()
            assert line, f"it ended before it said {words!r}: {said}"
            said += line.decode()
    return said


def cluster(folder: Path) -> Path:
    """Where the database of the demo that plays stands; as root that is outside of its directory."""
    (link,) = folder.glob("tracker-demo-*/postgres/cluster")
    return link.resolve(strict=True)


@pytest.mark.database
@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
async def test_cut_short_it_says_so_and_leaves_nothing(asked: signal.Signals, tmp_path: Path):
    async with playing(tmp_path, "--until-settled") as process:
        said = await heard(process, "day  2")
        stood = cluster(tmp_path)
        assert "parcels registered" in said
        assert list(tmp_path.glob("tracker-demo-*/secret_key"))
        process.send_signal(asked)
        _, rest = await asyncio.wait_for(process.communicate(), SOON)
    assert process.returncode == 128 + asked
    assert rest.decode().splitlines()[-1] == (f"stopped by {asked.name} before the story's end; nothing of it is kept")
    assert "Traceback" not in rest.decode()
    assert list(tmp_path.iterdir()) == []
    assert not stood.parent.exists()


@pytest.mark.database
async def test_the_live_demo_says_where_to_look_and_leaves_nothing(tmp_path: Path):
    async with playing(tmp_path) as process:
        said = await heard(process, "Ctrl-C stops it.")
        stood = cluster(tmp_path)
        assert "from Monday 02 March 2026 on" in said
        process.send_signal(signal.SIGINT)
        _, rest = await asyncio.wait_for(process.communicate(), SOON)
    assert process.returncode == 0
    assert rest.decode() == "stopped; nothing of it is kept\n"
    assert list(tmp_path.iterdir()) == []
    assert not stood.parent.exists()


@pytest.fixture
def taken() -> Generator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        yield somebody.getsockname()[1]


@pytest.mark.parametrize(
    ("words", "setting"),
    [
        ("demo --port {}", "--port"),
        ("demo --until-settled --port {}", "--port"),
        ("sandbox --listen 127.0.0.1:{}", "--listen"),
        ("serve", "TRACKER_LISTEN"),
    ],
)
def test_a_port_in_use_is_named_with_what_to_do_before_anything_is_started(
    words: str, setting: str, taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    file = tmp_path / "tracker.toml"
    file.write_text(f'data_directory = "{tmp_path}/data"\nlisten = "127.0.0.1:{taken}"')
    assert main(["--config", str(file), *words.format(taken).split()]) == 1
    said = capsys.readouterr().err
    assert [word for word in (f"port {taken}", "in use", setting) if word not in said] == []
    assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [file]


def test_a_pace_for_what_does_not_wait_is_used_wrongly(capsys: pytest.CaptureFixture[str]):
    assert main(["demo", "--until-settled", "--speed", "60"]) == 2
    assert "--speed" in capsys.readouterr().err
