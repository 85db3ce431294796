from datetime import UTC, datetime

from bench import database as bench_database
from bench import parcels, statements
from tests.support.postgres import Server
from tracker.actions import intake
from tracker.clock import SteppedClock
from tracker.store.db import Database

NOW = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
KINDS = list(parcels.NEWS)
AT_THE_FLOOR, TAKEN_IN = parcels.SAMPLE + 20, parcels.SAMPLE + 40  # the first parcels of each
TOUCHED = ("observation", "event", "incident", "finding", "incident_entry", "notice", "message", "change")
STATES = "select milestone, status_detail, health, announced from shipment where id between $1 and $2 order by id"


async def test_the_floor_leaves_the_rows_that_intake_leaves(postgres: Server, database: Database):
    dsn = await _address(postgres, database)
    shop_id = await parcels.add(dsn, 100, NOW)
    async with bench_database.house(dsn, SteppedClock(NOW)) as house:
        recording = await statements.record(house, shop_id, NOW)
        pushes = [
            [statements.script(recording.kinds[kind], parcel, b"{}")]
            for parcel, kind in enumerate(KINDS, start=AT_THE_FLOOR)
        ]
        observations = [
            parcels.observation(parcels.body([(parcel, parcels.NEWS[kind])], NOW), shop_id, NOW)
            for parcel, kind in enumerate(KINDS, start=TAKEN_IN)
        ]
        async with house.db.transaction() as conn:
            before = await _counts(conn)
            await statements.replay(conn, recording.order, pushes)
            replayed = await _counts(conn)
            await intake.take_in(house, conn, observations)
            taken = await _counts(conn)
            states = [await conn.fetch(STATES, first, first + len(KINDS) - 1) for first in (AT_THE_FLOOR, TAKEN_IN)]
    grown = {table: replayed[table] - before[table] for table in TOUCHED}
    assert min(grown.values()) > 0
    assert grown == {table: taken[table] - replayed[table] for table in TOUCHED}
    assert [dict(row) for row in states[0]] == [dict(row) for row in states[1]]


async def _address(postgres: Server, database: Database) -> str:
    async with database.connection() as conn:
        return postgres.dsn_of(await conn.fetchval("select current_database()"))


async def _counts(conn) -> dict[str, int]:
    return {table: await conn.fetchval(f"select count(*) from {table}") for table in TOUCHED}
