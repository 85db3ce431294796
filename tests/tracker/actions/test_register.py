import asyncio

import msgspec
import pytest

from carriers.contract import Estimate
from sql.connection import Connection
from tests.tracker.actions.conftest import START, Scene, registration, report
from tests.tracker.domain.building import event, present
from tracker.actions import intake
from tracker.actions.deciding import Heard
from tracker.actions.register import CustomerInput, DestinationInput, OrderInput, OriginInput, register
from tracker.domain.decision import Case
from tracker.domain.errors import FieldsWrong

_IN_LINE = """
select count(*) from pg_locks l join pg_database d on d.oid = l.database
where not l.granted and d.datname = current_database()
"""


async def test_a_parcel_is_watched_from_its_registration(scene: Scene):
    shipment_id = await scene.registers(promised_at="2026-03-06")
    row = await scene.shipment(shipment_id)
    assert (row["milestone"], row["health"], row["undecided"]) == ("registered", "unknown", None)
    assert row["promised_at"].isoformat() == "2026-03-06T22:59:59+00:00"
    assert row["next_poll_at"] == START
    assert row["next_moment_at"] > START
    assert await scene.value("select kind from change") == "shipment.registered"


async def test_a_repeat_gives_the_same_shipment(scene: Scene):
    first = await register(scene.house, scene.shop, registration("ab 123 c"))
    again = await register(
        scene.house, scene.shop, registration("AB123C", order=OrderInput(reference="order of ab 123 c"))
    )
    assert (first.created, again.created) == (True, False)
    assert first.shipment_id == again.shipment_id
    assert (await scene.counts())["contact"] == 1


async def test_eight_registrations_at_once_give_one_shipment_and_one_contact(scene: Scene):
    made = await asyncio.gather(*(register(scene.house, scene.shop, registration()) for _ in range(8)))
    assert len({one.shipment_id for one in made}) == 1
    assert sum(one.created for one in made) == 1
    counts = await scene.counts()
    assert (counts["shipment"], counts["contact"]) == (1, 1)


async def test_a_number_used_again_for_another_order_is_another_shipment(scene: Scene):
    first = await scene.registers(order=OrderInput(reference="one"))
    assert await scene.registers(order=OrderInput(reference="two")) != first


async def test_what_was_pushed_before_the_parcel_was_registered_is_taken_up(scene: Scene):
    pushed = scene.pushed(
        report("NUMBER1", event("accepted", -2), event("in_transit", -1), estimate=Estimate(START.date(), None))
    )
    (taken,) = await scene.takes_in(pushed)
    assert (taken.unclaimed, taken.new_events) == (1, 0)
    shipment_id = await scene.registers()
    row = await scene.shipment(shipment_id)
    assert row["milestone"] == "in_transit"
    assert b"2026-03-02" in row["expectation"]
    assert await scene.value("select count(*) from event where observation_id = $1", taken.observation_id) == 2
    assert await scene.value("select claimed_by from unclaimed") == shipment_id
    assert await scene.notices(shipment_id) == ["shipped"]


async def test_a_parcel_registered_while_a_push_about_it_commits_takes_it_up(scene: Scene):
    async with scene.house.db.transaction() as conn:
        await intake.take_in(scene.house, conn, [scene.pushed(report("NUMBER1", event("in_transit", -1)))])
        registering = asyncio.create_task(scene.registers())
        await waits_for_a_lock(scene)
    assert (await scene.shipment(await registering))["milestone"] == "in_transit"


async def test_a_push_that_comes_while_its_parcel_is_registered_finds_it(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    nearly_done = asyncio.Event()
    commit = asyncio.Event()
    take_up = intake.take_up

    async def slow(conn: Connection, case: Case) -> Heard:
        heard = await take_up(conn, case)
        nearly_done.set()
        await commit.wait()
        return heard

    monkeypatch.setattr(intake, "take_up", slow)
    registering = asyncio.create_task(scene.registers())
    await nearly_done.wait()
    pushing = asyncio.create_task(scene.hears("NUMBER1", event("in_transit", -1)))
    await waits_for_a_lock(scene)
    commit.set()
    assert (await pushing).new_events == 1
    assert (await scene.shipment(await registering))["milestone"] == "in_transit"


async def waits_for_a_lock(scene: Scene) -> None:
    """Until somebody stands in line for a lock that another transaction holds."""
    async with asyncio.timeout(20):
        while not await scene.value(_IN_LINE):
            pass


async def test_a_return_begins_with_its_label(scene: Scene):
    shipment_id = await scene.registers(direction="return")
    assert await scene.value("select state from return_case where shipment_id = $1", shipment_id) == "label_sent"


async def test_a_replacement_is_linked_to_what_it_replaces(scene: Scene):
    lost = await scene.registers("NUMBER1")
    again = await scene.registers("NUMBER2", replaces=f"shp_{lost}")
    assert await scene.value("select replaces_id from shipment where id = $1", again) == lost


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"carrier": None}, "/carrier"),
        ({"carrier": "pigeon"}, "/carrier"),
        ({"destination": DestinationInput(country="ZZ")}, "/destination/country"),
        ({"origin": OriginInput(country="XX")}, "/origin/country"),
        ({"customer": CustomerInput(name="Ana", language="xx")}, "/customer/language"),
        ({"customer": CustomerInput(name="Ana", phone="12")}, "/customer/phone"),
        ({"customer": CustomerInput(name="Ana", email="ana at home")}, "/customer/email"),
        ({"customer": CustomerInput(name="Ana", time_zone="Europe/Atlantis")}, "/customer/time_zone"),
        ({"promised_at": "next week"}, "/promised_at"),
        ({"promised_at": "2026-03-06T18:00:00"}, "/promised_at"),
        ({"promised_at": "9999-12-31"}, "/promised_at"),
        ({"shipped_at": START.replace(tzinfo=None)}, "/shipped_at"),
        ({"direction": "sideways"}, "/direction"),
        ({"replaces": "shp_999"}, "/replaces"),
    ],
)
async def test_a_wrong_field_is_named(scene: Scene, changes, pointer):
    with pytest.raises(FieldsWrong) as refused:
        await scene.registers(**changes)
    assert [wrong.pointer for wrong in refused.value.fields] == [pointer]
    assert (await scene.counts())["shipment"] == 0


@pytest.mark.parametrize(
    ("configured", "given", "taken"),
    [
        ([], None, "default"),
        ([], "default", "default"),
        (["north"], None, "north"),
        (["north", "default"], None, "default"),
        (["north", "default"], "north", "north"),
    ],
)
async def test_a_parcel_goes_by_an_account_that_can_be_asked(scene: Scene, configured, given, taken):
    house = msgspec.structs.replace(scene.house, accounts={"full": configured})
    shipment = (await register(house, scene.shop, registration(account=given))).shipment_id
    assert (await scene.shipment(shipment))["account"] == taken


async def test_an_account_that_nobody_can_ask_is_refused_with_those_that_can_be(scene: Scene):
    house = msgspec.structs.replace(scene.house, accounts={"full": ["north", "south"]})
    with pytest.raises(FieldsWrong) as refused:
        await register(house, scene.shop, registration(account="nort"))
    (wrong,) = refused.value.fields
    assert (wrong.pointer, wrong.detail) == ("/account", "no account 'nort' at this carrier; known: north, south")


async def test_all_wrong_fields_are_named_at_once(scene: Scene):
    with pytest.raises(FieldsWrong) as refused:
        await scene.registers(carrier="pigeon", promised_at="soon", direction="up")
    assert [wrong.pointer for wrong in refused.value.fields] == ["/carrier", "/promised_at", "/direction"]


async def test_characters_that_the_database_refuses_do_no_harm(scene: Scene):
    shipment_id = await scene.registers(customer=CustomerInput(name="A\x00na", email="ana@example.com"))
    assert await scene.value("select name from contact") == "A\ufffdna"
    assert shipment_id


async def test_a_country_is_given_its_working_days_when_it_is_first_shipped_to(scene: Scene):
    abroad = DestinationInput(country="PT", postcode="1000-001")
    await scene.registers(destination=abroad, origin=OriginInput(country="ES"))
    years = await scene.rows("select year from calendar_year where country = 'PT' order by year")
    assert [row["year"] for row in years] == [2026, 2027]
    assert present(await scene.value("select count(*) from holiday where country = 'PT'")) > 20
