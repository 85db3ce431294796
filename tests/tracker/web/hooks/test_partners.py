import asyncio

import pytest

from tests.tracker.web.door import Pusher
from tracker.actions import access
from tracker.web.hooks import partners
from tracker.web.hooks.partners import MOST, REMEMBERED, Directory
from tracker.web.services import Services

UNKNOWN = "ptn_0000000000000000000000"


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The codes that were looked up in the database."""
    codes: list[str] = []
    find = access.find_partner

    async def counted(conn, vault, code):
        codes.append(code)
        return await find(conn, vault, code)

    monkeypatch.setattr(access, "find_partner", counted)
    return codes


@pytest.fixture
def directory(services: Services, clock: Clock, reads: list[str]) -> Directory:
    return Directory(services.house.db, services.house.vault, clock)


async def test_everybody_who_asks_within_some_seconds_shares_one_query(
    directory: Directory, partner: Pusher, clock: Clock, reads: list[str]
):
    found = await asyncio.gather(*(directory.find(partner.code) for _ in range(50)))
    clock.seconds = REMEMBERED - 0.1
    assert await directory.find(UNKNOWN) is await directory.find(UNKNOWN) is None
    assert await directory.find("ptn_' or 1=1 --") is None
    assert reads == [partner.code, UNKNOWN]

    clock.seconds = REMEMBERED
    later = await directory.find(partner.code)

    assert reads == [partner.code, UNKNOWN, partner.code]
    assert {one is not None and one[0].secrets for one in (*found, later)} == {(partner.secret,)}


async def test_the_time_is_the_database_s_carried_on_by_ours(directory: Directory, partner: Pusher, clock: Clock):
    first = await directory.find(partner.code)
    clock.seconds = 3.0
    second = await directory.find(partner.code)

    assert first is not None
    assert second is not None
    assert (second[1] - first[1]).total_seconds() == pytest.approx(3.0)


async def test_a_secret_that_ran_out_is_forgotten(
    directory: Directory, partner: Pusher, clock: Clock, services: Services
):
    house = services.house
    async with house.db.connection() as conn:
        new = await access.rotate_partner(conn, house.vault, partner.code)
        both = await directory.find(partner.code)
        await conn.execute("update partner_secret set expires_at = clock_timestamp() where expires_at is not null")
    clock.seconds = REMEMBERED
    left = await directory.find(partner.code)

    assert both is not None
    assert left is not None
    assert (both[0].secrets, left[0].secrets) == ((new, partner.secret), (new,))


async def test_a_failed_look_is_not_remembered(directory: Directory, partner: Pusher, monkeypatch: pytest.MonkeyPatch):
    async def away(*_: object) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as patched:
        patched.setattr(access, "find_partner", away)
        with pytest.raises(ConnectionRefusedError):
            await directory.find(partner.code)

    assert await directory.find(partner.code) is not None


async def test_guessing_fills_no_memory(services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch):
    directory = Directory(services.house.db, services.house.vault, clock)

    async def nobody(conn, vault, code):
        return None

    monkeypatch.setattr(access, "find_partner", nobody)
    monkeypatch.setattr(partners, "MOST", 20)
    for number in range(50):
        await directory.find(f"ptn_{number:022}")

    assert len(directory._looks) == 20
    assert MOST < 10_000
