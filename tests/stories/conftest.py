from collections.abc import AsyncGenerator

import pytest

from tests.stories.scene import Scene
from tests.support.postgres import Server


@pytest.fixture
async def scene(postgres: Server) -> AsyncGenerator[Scene]:
    async with Scene.set(postgres) as scene:
        yield scene
