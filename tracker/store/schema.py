"""Prints the schema that the migrations make, so that it can be read in one sitting: `python -m tracker.store.schema`.

`sql/schema.sql` is this text, and a test compares the two; `--write` brings the file up to date.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg

from sql import migrate
from tracker.store import binaries
from tracker.store.embedded import EmbeddedPostgres

FILE = migrate.FOLDER.with_name("schema.sql")

_STAND_IN = "printed_schema"  # a name that occurs nowhere else, so that it can be taken out of the text again
_HEADING = "-- The schema that the migrations make, printed by `make schema`; change it with a new migration.\n"
_NOISE = re.compile(r"(--.*|SET .*;|SELECT pg_catalog\.set_config\(.*;|\\(un)?restrict .*|CREATE SCHEMA .*;|)\n")


async def text(dsn: str) -> str:
    """What the migrations make of this database, which must be empty, as SQL without the name of the schema."""
    connection = await asyncpg.connect(dsn)
    try:
        await migrate.migrate(connection, _STAND_IN)
    finally:
        await connection.close()
    return _readable(await asyncio.to_thread(_dump, dsn))


def _dump(dsn: str) -> str:
    options = ["--schema-only", "--no-owner", "--no-privileges", f"--schema={_STAND_IN}", f"--dbname={dsn}"]
    return subprocess.run([binaries.pg_dump(), *options], capture_output=True, text=True, check=True).stdout


def _readable(dump: str) -> str:
    """Without comments and session settings, which differ between versions, and with one line where one is enough."""
    lines = [line for line in dump.splitlines(keepends=True) if not _NOISE.fullmatch(line)]
    body = "".join(lines).replace(f"{_STAND_IN}.", "")
    body = re.sub(r"( AS IDENTITY) \(\n[^;]*;", r"\1;", body)  # the sequence's settings are those it has by itself
    body = re.sub(r"(ALTER TABLE) ONLY (.*)\n +(ADD CONSTRAINT)", r"\1 \2 \3", body)
    return _HEADING + re.sub(r"^(?=CREATE TABLE)|(?<=^\);\n)", "\n", body, flags=re.MULTILINE).replace("\n\n\n", "\n\n")


def _of_a_passing_server() -> str:
    with tempfile.TemporaryDirectory(prefix="tracker-schema-") as folder:
        Path(folder).chmod(0o711)  # the user to whom root lends the server must be able to pass
        return asyncio.run(_migrated_in(Path(folder, "postgres")))


async def _migrated_in(data_directory: Path) -> str:
    async with EmbeddedPostgres(data_directory, settings={"fsync": "off"}) as server:
        return await text(server.dsn)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tracker.store.schema", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write it to {FILE.name} instead of printing it")
    wanted = parser.parse_args()
    printed = _of_a_passing_server()
    if wanted.write:
        FILE.write_text(printed, encoding="utf-8")
    else:
        sys.stdout.write(printed)


if __name__ == "__main__":
    main()
