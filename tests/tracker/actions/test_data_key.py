"""The master key can be replaced, and nothing that customers, partners or staff hold becomes worthless by it."""

import asyncio

import msgspec
import pyotp
import pytest

from tests.tracker.actions.conftest import Scene
from tracker.actions import access, audit, data_key, people, second_factor, sign_in
from tracker.actions.audit import AT_THE_MACHINE
from tracker.actions.data_key import OtherMasterKey
from tracker.actions.sign_in import Visit
from tracker.domain.errors import NotFound
from tracker.domain.staff import Person, Role
from tracker.store.db import Database
from tracker.vault import MasterKey, Vault

OLD, NEW, STRANGE = (MasterKey(letter * 32) for letter in (b"o", b"n", b"s"))
VISIT = Visit("192.0.2.1", "Firefox")


async def opened(db: Database, master: MasterKey) -> Vault:
    async with db.connection() as conn:
        return await data_key.open_vault(conn, master)


async def test_the_first_start_makes_the_data_key_and_every_other_finds_the_same(database: Database):
    """Also those that start in the same moment."""
    vaults = await asyncio.gather(*(opened(database, OLD) for _ in range(5)))
    assert len({vault.link_token(1, 1) for vault in [*vaults, await opened(database, OLD)]}) == 1


async def test_the_data_key_is_not_made_from_the_master_key_and_does_not_lie_open(database: Database, postgres):
    one = await opened(database, OLD)
    async with database.connection() as conn:
        (kept,) = await conn.fetch("select * from data_key")
        await conn.execute("delete from data_key")
    assert (await opened(database, OLD)).link_token(1, 1) != one.link_token(1, 1)
    assert one._data_key not in kept["wrapped"]
    assert kept["wrapped_by"] == OLD.id != NEW.id


async def test_after_a_rewrap_everything_that_was_given_away_is_good(scene: Scene):
    db = scene.house.db
    house = msgspec.structs.replace(scene.house, vault=await opened(db, OLD))
    async with db.transaction() as conn:
        partner, _ = await access.add_partner(conn, house.vault, "north", "Carrier")
        known = await access.find_partner(conn, house.vault, partner)
    token = await people.invite(house, "north", "ana@shop.example", "Ana", Role.ADMIN, AT_THE_MACHINE)
    entrance = await people.accept(house, token, "three green parcels", VISIT)
    async with db.connection() as conn:
        ana = await sign_in.find(conn, entrance.token)
    assert isinstance(ana, Person)
    totp = pyotp.parse_uri(await second_factor.begin(house, ana))
    assert isinstance(totp, pyotp.TOTP)

    assert await data_key.rewrap(db, OLD, NEW, AT_THE_MACHINE)

    renewed = msgspec.structs.replace(house, vault=await opened(db, NEW))
    assert renewed.vault.link_token(7, 1) == house.vault.link_token(7, 1)
    async with db.connection() as conn:
        found = await access.find_partner(conn, renewed.vault, partner)
    assert found is not None
    assert known is not None
    assert found.secrets == known.secrets
    await second_factor.confirm(renewed, ana, totp.now())


async def test_after_a_rewrap_the_old_key_opens_nothing_and_says_which_would(database: Database):
    await opened(database, OLD)
    await data_key.rewrap(database, OLD, NEW, AT_THE_MACHINE)
    with pytest.raises(OtherMasterKey) as refused:
        await opened(database, OLD)
    assert (refused.value.wrapped_by, refused.value.given) == (NEW.id, OLD.id)


async def test_a_rewrap_with_a_wrong_key_changes_nothing_and_one_too_many_does_no_harm(database: Database):
    with pytest.raises(NotFound):
        await data_key.rewrap(database, OLD, NEW, AT_THE_MACHINE)
    before = (await opened(database, OLD)).link_token(1, 1)
    with pytest.raises(OtherMasterKey):
        await data_key.rewrap(database, STRANGE, NEW, AT_THE_MACHINE)
    assert (await opened(database, OLD)).link_token(1, 1) == before
    assert [await data_key.rewrap(database, OLD, NEW, AT_THE_MACHINE) for _ in range(2)] == [True, False]
    assert (await opened(database, NEW)).link_token(1, 1) == before


async def test_a_rewrap_is_on_the_record_without_the_keys(database: Database):
    await opened(database, OLD)
    await data_key.rewrap(database, OLD, NEW, AT_THE_MACHINE)
    async with database.connection() as conn:
        (row,) = await conn.fetch("select actor, action, detail from audit")
        assert (await audit.verify(conn)).broken_at is None
    assert (row["actor"], row["action"]) == ("cli", "secrets.rewrapped")
    assert msgspec.json.decode(row["detail"]) == {"before": OLD.id, "after": NEW.id}
