from tests.support.postgres import Server
from tracker.store import schema


async def test_schema_sql_is_what_the_migrations_make(postgres: Server) -> None:
    name = await postgres.create_empty()

    assert schema.FILE.read_text() == await schema.text(postgres.dsn_of(name)), "run: make schema"

    await postgres.drop(name)
