"""A small service with an embedded PostgreSQL, to be killed: prints `started`, then the number of every row acknowledged."""

import asyncio
import sys
from pathlib import Path

import asyncpg

from tracker.store.embedded import EmbeddedPostgres


async def insert_for_ever(data_directory: Path, programs: Path | None) -> None:
    async with EmbeddedPostgres(data_directory, binaries=programs) as server:
        connection = await asyncpg.connect(server.dsn)
        await connection.execute("create table if not exists written (n int primary key)")
        print("started", flush=True)
        number = await connection.fetchval("select coalesce(max(n), 0) from written")
        while True:
            number += 1
            await connection.execute("insert into written values ($1)", number)
            print(number, flush=True)


if __name__ == "__main__":
    asyncio.run(insert_for_ever(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2:] else None))
