import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tracker.web.door import Caller
from tracker.store import changes
from tracker.store.db import Database
from tracker.web.services import Services

CHANGES = "/api/v1/changes"
_ADD = "insert into change (shop_id, kind, at, detail) values ($1, $2, clock_timestamp(), '{}')"


async def add(services: Services, *kinds: str, shop_id: int = 1) -> None:
    async with services.house.db.transaction() as conn:
        for kind in kinds:
            await conn.execute(_ADD, shop_id, kind)


async def test_the_feed_goes_on_where_it_was_left(shop: Caller, services: Services):
    await add(services, "a", "b", "c")
    first = (await shop.get(CHANGES, limit="2")).body
    rest = (await shop.get(CHANGES, after=first["next_cursor"])).body
    nothing = (await shop.get(CHANGES, after=rest["next_cursor"])).body
    await add(services, "d")
    news = (await shop.get(CHANGES, after=nothing["next_cursor"])).body

    assert [[one["kind"] for one in page["data"]] for page in (first, rest, nothing, news)] == [
        ["a", "b"],
        ["c"],
        [],
        ["d"],
    ]


async def test_a_change_that_commits_late_is_not_skipped(shop: Caller, services: Services):
    async with services.house.db.transaction() as slow:
        await slow.execute(_ADD, 1, "began first")
        await add(services, "committed first")
        early = (await shop.get(CHANGES)).body
    late = (await shop.get(CHANGES, after=early["next_cursor"])).body

    assert [one["kind"] for one in early["data"]] == ["committed first"]
    assert [one["kind"] for one in late["data"]] == ["began first"]


async def test_a_sequencer_that_died_leaves_nothing_half_placed(shop: Caller, services: Services):
    db = services.house.db
    await add(services, "a", "b")
    async with db.connection() as conn:
        dying = conn.transaction()
        await dying.start()
        await conn.execute("select pg_advisory_xact_lock($1)", db.advisory_key("changes"))
        await conn.execute("update change set position = nextval('change_position_seq')")
        reader = asyncio.create_task(shop.get(CHANGES))
        while not await conn.fetchval("select count(*) from pg_locks where locktype = 'advisory' and not granted"):
            pass
        await dying.rollback()

    assert [one["kind"] for one in (await reader).body["data"]] == ["a", "b"]


async def test_a_long_silence_is_caught_up_with_in_several_rounds(services: Services):
    async with services.house.db.connection() as conn:
        await conn.execute(
            "insert into change (shop_id, kind, at, detail) "
            "select 1 + n % 2, n::text, clock_timestamp(), '{}' from generate_series(1, 6000) n"
        )

    read = await changes.read(services.house.db, 1, after=0, most=10_000)

    assert [int(one.kind) for one in read.changes] == list(range(2, 6001, 2))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(plan=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=5, max_size=25), limit=st.integers(1, 7))
async def test_readers_and_writers_at_once_see_everything_once_and_in_one_order(
    plan: list[tuple[int, int]], limit: int, services: Services
):
    db = services.house.db
    async with db.connection() as conn:
        await conn.execute("truncate change")

    writing = asyncio.gather(*(_write(db, f"{number}.", held, count) for number, (held, count) in enumerate(plan)))
    readers = [asyncio.create_task(_read_all(db, sum(count for _, count in plan), limit)) for _ in range(2)]
    await writing
    one, other = [await reader for reader in readers]

    assert one == other
    assert sorted(one) == sorted(f"{number}.{n}" for number, (_, count) in enumerate(plan) for n in range(count))


async def _write(db: Database, prefix: str, held: int, count: int) -> None:
    """A transaction that draws its ids, then stays open for a while."""
    async with db.transaction() as conn:
        for n in range(count):
            await conn.execute(_ADD, 1, f"{prefix}{n}")
        for _ in range(held):
            await conn.execute("select pg_sleep(0.001)")


async def _read_all(db: Database, expected: int, limit: int) -> list[str]:
    seen: list[str] = []
    position = 0
    async with asyncio.timeout(30):
        while len(seen) < expected:
            read = await changes.read(db, 1, after=position, most=limit)
            seen += [one.kind for one in read.changes]
            position = read.position
    return seen
