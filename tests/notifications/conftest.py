import pytest

from tests.notifications.world import World
from tracker.store.db import Database


@pytest.fixture
async def world(database: Database) -> World:
    return await World.open(database)
