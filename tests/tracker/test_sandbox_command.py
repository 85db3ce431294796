"""`tracker sandbox` as a container runs it."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.support.eventually import eventually
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
SOON = 8  # seconds; an orchestrator kills after ten


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_soon_when_it_is_asked_to_even_beside_a_caller_who_stays(asked: signal.Signals, tmp_path: Path):
    address = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tracker", "sandbox", "--listen", address),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with aiohttp.ClientSession() as session:

            async def answers() -> bool:
                async with session.get(f"http://{address}/_sandbox/healthz") as answer:
                    return answer.status == 200

            await eventually(answers)
            process.send_signal(asked)
            _, said = await asyncio.wait_for(process.communicate(), SOON)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    assert f"pretend carriers on http://{address}" in said.decode()
    assert "Traceback" not in said.decode()
