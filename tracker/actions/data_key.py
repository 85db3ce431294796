"""The data key: made once for a database, opened with the master key at every start, wrapped anew for another one."""

from __future__ import annotations

from sql import queries
from sql.connection import Connection
from tracker.actions import audit
from tracker.actions.audit import Author
from tracker.domain.errors import NotFound
from tracker.store.db import Database
from tracker.vault import MasterKey, SecretUnreadable, Vault, new_data_key

_SQL = queries.topic("data_key")


class OtherMasterKey(Exception):
    """The data key is wrapped with another master key than the one that was given; ids tell them apart."""

    def __init__(self, wrapped_by: str, given: str) -> None:
        super().__init__(f"the data key is wrapped with the master key {wrapped_by}, the one given is {given}")
        self.wrapped_by, self.given = wrapped_by, given


async def open_vault(conn: Connection, master: MasterKey) -> Vault:
    """The vault over this database's data key, which is made where there is none yet. Raises OtherMasterKey."""
    vault = await find_vault(conn, master)
    if vault is not None:
        return vault
    await conn.execute(_SQL.add, master.wrap(new_data_key()), master.id)
    made = await find_vault(conn, master)
    assert made is not None
    return made


async def find_vault(conn: Connection, master: MasterKey) -> Vault | None:
    """The vault over this database's data key, None before the first start. Raises OtherMasterKey."""
    row = await conn.fetchrow(_SQL.find)
    return None if row is None else Vault(_unwrapped(row["wrapped"], row["wrapped_by"], master))


async def rewrap(db: Database, old: MasterKey, new: MasterKey, by: Author) -> bool:
    """Wrap the data key with the new master key; False where it is wrapped with that one already.

    From then on the old one opens nothing; what the data key made and sealed stays as it is.
    Raises OtherMasterKey where the old key is not the one in use, NotFound where there is no data key yet.
    """
    async with db.transaction() as conn:
        row = await conn.fetchrow(_SQL.lock)
        if row is None:
            raise NotFound("there is no data key yet: the first start makes it, with the master key it is given")
        if row["wrapped_by"] == new.id:
            _unwrapped(row["wrapped"], row["wrapped_by"], new)
            return False
        data_key = _unwrapped(row["wrapped"], row["wrapped_by"], old)
        await conn.execute(_SQL.rewrap, new.wrap(data_key), new.id)
        await audit.record(db, conn, by, "secrets.rewrapped", before=old.id, after=new.id)
    return True


def _unwrapped(wrapped: bytes, wrapped_by: str, master: MasterKey) -> bytes:
    try:
        return master.unwrap(wrapped)
    except SecretUnreadable as closed:
        raise OtherMasterKey(wrapped_by, master.id) from closed
