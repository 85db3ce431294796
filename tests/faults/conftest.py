import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from tests.stories.scene import Scene
from tests.support.postgres import Server


@pytest.fixture
def folder() -> Generator[Path]:
    """A folder that the database's user can pass through, as pytest's own cannot be when root runs the tests."""
    path = Path(tempfile.mkdtemp(prefix="tracker-faults-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def scene(postgres: Server) -> AsyncGenerator[Scene]:
    async with Scene.set(postgres) as scene:
        yield scene
