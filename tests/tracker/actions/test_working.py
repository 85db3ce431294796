"""People work on incidents and settle returns."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.tracker.actions.conftest import START, Scene
from tests.tracker.domain.building import event
from tracker.actions import audit, deciding, people
from tracker.actions.audit import Author
from tracker.actions.settle_return import settle
from tracker.actions.work_incident import Order, work
from tracker.domain.errors import FieldsWrong, NotAllowed, NotFound, Outdated, RuleRefused
from tracker.domain.incident import UNDOABLE, Command
from tracker.domain.severity import Severity
from tracker.domain.staff import ALLOWED, May, Role

HELD = event("in_customs.duties_due", -1, problem="customs.duties_unpaid")
LOST = event("ended.lost_declared", -1)


async def opened(scene: Scene, *events: Any) -> tuple[int, int]:
    """A parcel with an incident: their ids."""
    shipment_id = await scene.registers()
    await scene.hears("NUMBER1", *(events or (HELD,)))
    return shipment_id, await scene.value("select min(id) from incident")


async def ordered(scene: Scene, incident_id: int, command: Command, **given: Any) -> None:
    """As Ana, who leads, unless it is said otherwise."""
    who: dict[str, Any] = {"by": Author(actor="ana"), "allowed": ALLOWED[Role.SUPERVISOR]}
    await work(scene.house, scene.shop.id, incident_id, Order(command=command, **who | given))


async def states(scene: Scene) -> list[str]:
    return [row["state"] for row in await scene.rows("select state from incident order by id")]


async def test_an_incident_is_worked_step_by_step_and_every_step_is_written_down(scene: Scene):
    _, incident_id = await opened(scene)
    until = START + timedelta(days=2)
    await ordered(scene, incident_id, Command.ACKNOWLEDGE, note="seen")
    await ordered(scene, incident_id, Command.START)
    await ordered(scene, incident_id, Command.WAIT, waiting_on="customer", until=until)
    waiting = await scene.row("select * from incident")
    assert (waiting["state"], waiting["action_owner"], waiting["action_until"]) == ("waiting", "recipient", until)
    await ordered(scene, incident_id, Command.STABILISE)
    await ordered(scene, incident_id, Command.RESOLVE, reason="cured_by_customer")
    await ordered(scene, incident_id, Command.CLOSE)
    assert await states(scene) == ["closed"]
    entries = await scene.rows("select kind, actor, detail from incident_entry order by id")
    kinds = [(row["kind"], row["actor"]) for row in entries][1:]
    assert kinds == [(one, "ana") for one in ("acknowledge", "start", "wait", "stabilise", "resolved", "closed")]
    assert msgspec.json.decode(entries[1]["detail"])["note"] == "seen"


async def test_resolving_tells_the_customer_and_what_stood_opens_nothing_again(scene: Scene):
    shipment_id, incident_id = await opened(scene)
    await scene.value("update message set state = 'accepted', due_at = null")  # the first word has gone out
    await scene.value("update notice set state = 'sent'")
    await ordered(scene, incident_id, Command.RESOLVE, reason="cured_by_shop")
    assert await scene.notices(shipment_id) == ["incident_opened", "incident_resolved"]
    await scene.passes(days=20)
    assert await states(scene) == ["closed"]


async def test_a_first_word_that_never_went_out_needs_no_second(scene: Scene):
    shipment_id, incident_id = await opened(scene)
    await ordered(scene, incident_id, Command.RESOLVE, reason="cured_by_shop")
    assert await scene.notices(shipment_id) == []


async def test_what_staff_reopen_is_cured_by_no_finding(scene: Scene):
    shipment_id, incident_id = await opened(scene)
    await scene.hears("NUMBER1", event("in_transit", -0.5))
    await ordered(scene, incident_id, Command.REOPEN, note="the customer says otherwise")
    row = await scene.row("select * from incident")
    assert (row["state"], row["provenance"], row["reopened"], row["closing_reason"]) == ("open", "staff", 1, None)
    await scene.passes(days=6)
    assert (await states(scene))[0] == "open"
    assert (await scene.shipment(shipment_id))["ended_at"] is None


async def test_incidents_are_merged_by_hand(scene: Scene):
    damaged = event("in_transit", -2, problem="damage.packaging_failed")
    _, first = await opened(scene, damaged, HELD)
    second = await scene.value("select max(id) from incident")
    with pytest.raises(RuleRefused, match="name it"):
        await ordered(scene, second, Command.MERGE)
    with pytest.raises(RuleRefused, match="name it"):
        await ordered(scene, second, Command.MERGE, into=second)
    await ordered(scene, second, Command.MERGE, into=first, note="the same box")
    row = await scene.row("select state, merged_into, next_moment_at from incident where id = $1", second)
    assert tuple(row.values()) == ("merged", first, None)
    entry, change = await scene.merged()
    assert (entry["note"], entry["into_incident"]) == ("the same box", f"inc_{first}")
    kept = await scene.row("select category || '.' || cause as cause from incident where id = $1", first)
    assert entry["into"] == kept["cause"]
    assert change["into_incident"] == f"inc_{first}"


@pytest.mark.parametrize(
    ("command", "given", "why"),
    [
        (Command.CLOSE, {}, "cannot close"),
        (Command.RESOLVE, {}, "needs a reason"),
        (Command.RESOLVE, {"reason": "merged"}, "no closing reason"),
        (Command.RESOLVE, {"reason": "because"}, "no closing reason"),
        (Command.WAIT, {}, "cannot wait"),
        (Command.NOTE, {"note": " "}, "made of words"),
    ],
)
async def test_what_the_rules_do_not_allow_changes_nothing(scene: Scene, command, given, why):
    _, incident_id = await opened(scene)
    before = await scene.row("select * from incident")
    with pytest.raises(RuleRefused, match=why):
        await ordered(scene, incident_id, command, **given)
    assert await scene.row("select * from incident") == before


@pytest.mark.parametrize(
    ("given", "why"), [({"waiting_on": "godot"}, "waits on one of"), ({"until": START}, "still to come")]
)
async def test_nobody_waits_for_nobody_or_until_yesterday(scene: Scene, given, why):
    _, incident_id = await opened(scene)
    await ordered(scene, incident_id, Command.START)
    with pytest.raises(RuleRefused, match=why):
        await ordered(scene, incident_id, Command.WAIT, **given)


async def test_what_was_decided_on_an_older_version_changes_nothing(scene: Scene):
    _, incident_id = await opened(scene)
    seen = await scene.value("select version from incident")
    await ordered(scene, incident_id, Command.ACKNOWLEDGE, expected=seen)
    for command in (Command.START, Command.NOTE):
        with pytest.raises(Outdated, match="meanwhile"):
            await ordered(scene, incident_id, command, expected=seen, note="mine")
    assert await states(scene) == ["acknowledged"]
    await ordered(scene, incident_id, Command.START, expected=await scene.value("select version from incident"))
    assert await states(scene) == ["in_progress"]


WAY_TO = {
    Command.ACKNOWLEDGE: (),
    Command.START: (Command.ACKNOWLEDGE,),
    Command.WAIT: (Command.START,),
    Command.STABILISE: (Command.START,),
    Command.ASSIGN: (),
}


@pytest.mark.parametrize("command", sorted(UNDOABLE))
async def test_a_step_is_undone_with_all_that_it_changed_and_both_are_told(scene: Scene, command):
    _, incident_id = await opened(scene)
    for step in WAY_TO[command]:
        await ordered(scene, incident_id, step)
    standing = "select state, assignee_id, action_owner, action_until, promised_update_at, told_at from incident"
    before = await scene.row(standing)
    given = {"waiting_on": "shop", "until": START + timedelta(days=1)} if command is Command.WAIT else {}
    if command is Command.ASSIGN:
        given = {"owner": await staff(scene, "ben")}
    await ordered(scene, incident_id, command, **given)
    assert await scene.row(standing) != before
    await ordered(scene, incident_id, Command.NOTE, note="a slip")
    await ordered(scene, incident_id, Command.UNDO)
    assert await scene.row(standing) == before
    kinds = [row["kind"] for row in await scene.rows("select kind from incident_entry order by id")]
    assert kinds[-3:] == [command, "note", "undo"]
    with pytest.raises(RuleRefused, match="cannot be undone"):
        await ordered(scene, incident_id, Command.UNDO)


async def staff(scene: Scene, name: str, role: Role = Role.AGENT) -> int:
    email = f"{name}@north.example"
    await people.invite(scene.house, "north", email, name, role, audit.AT_THE_MACHINE)
    found: int = await scene.value("select id from staff where email = $1", email)
    return found


async def test_an_incident_is_somebodys_and_taken_from_them_by_who_leads(scene: Scene):
    _, incident_id = await opened(scene)
    ana, ben = await staff(scene, "ana"), await staff(scene, "ben")
    as_ana, as_ben = ({"by": Author(actor=f"staff:{one}"), "allowed": ALLOWED[Role.AGENT]} for one in (ana, ben))
    await ordered(scene, incident_id, Command.ASSIGN, owner=ana, **as_ana)
    with pytest.raises(NotAllowed, match="somebody else's"):
        await ordered(scene, incident_id, Command.ASSIGN, owner=ben, **as_ben)
    assert await scene.value("select assignee_id from incident") == ana
    await ordered(scene, incident_id, Command.ASSIGN, owner=ben, **as_ben | {"allowed": ALLOWED[Role.SUPERVISOR]})
    await ordered(scene, incident_id, Command.UNDO)
    assert await scene.value("select assignee_id from incident") == ana
    await ordered(scene, incident_id, Command.ASSIGN, owner=ben, **as_ana)  # one's own is given away freely
    assert await scene.value("select assignee_id from incident") == ben


async def test_an_incident_is_given_to_nobody_who_may_not_work_on_it(scene: Scene):
    _, incident_id = await opened(scene)
    vic, gone = await staff(scene, "vic", Role.VIEWER), await staff(scene, "gone")
    await scene.value("update staff set disabled_at = clock_timestamp() where id = $1", gone)
    for owner in (vic, gone, 10**9):
        with pytest.raises(FieldsWrong):
            await ordered(scene, incident_id, Command.ASSIGN, owner=owner)


async def test_what_people_say_of_weight_and_action_stays_until_it_is_reopened(scene: Scene):
    _, incident_id = await opened(scene)
    until = START + timedelta(days=3)
    await ordered(scene, incident_id, Command.RATE, severity=Severity.CRITICAL)
    await ordered(scene, incident_id, Command.PLAN, acts="shop", until=until, note="we pay the duties")
    said = "select severity, action_owner, action_until from incident"
    await scene.hears("NUMBER1", event("in_customs.duties_due", -0.5, problem="customs.documents_missing"))
    await scene.passes(days=1)
    assert tuple((await scene.row(said)).values()) == ("critical", "shop", until)
    await ordered(scene, incident_id, Command.RATE, severity=None)
    assert await scene.value("select severity from incident") != "critical"
    await ordered(scene, incident_id, Command.RESOLVE, reason="cured_by_shop")
    await ordered(scene, incident_id, Command.REOPEN)
    row = await scene.row("select severity_by_staff, action_by_staff from incident")
    assert tuple(row.values()) == (False, False)


async def test_what_cannot_be_undone_stays(scene: Scene):
    _, incident_id = await opened(scene)
    with pytest.raises(RuleRefused, match="cannot be undone"):
        await ordered(scene, incident_id, Command.UNDO)
    await ordered(scene, incident_id, Command.START)
    await ordered(scene, incident_id, Command.RESOLVE, reason="cured_by_shop")
    with pytest.raises(RuleRefused, match="cannot be undone"):
        await ordered(scene, incident_id, Command.UNDO)


async def test_what_somebody_else_did_is_undone_by_who_leads(scene: Scene):
    _, incident_id = await opened(scene)
    await ordered(scene, incident_id, Command.START)
    bea = {"by": Author(actor="bea"), "allowed": ALLOWED[Role.AGENT]}
    with pytest.raises(NotAllowed):
        await ordered(scene, incident_id, Command.UNDO, **bea)
    await ordered(scene, incident_id, Command.UNDO, **bea | {"allowed": ALLOWED[Role.SUPERVISOR]})
    assert await states(scene) == ["open"]


async def test_an_agent_reopens_what_is_resolved_and_a_supervisor_what_is_closed(scene: Scene):
    _, incident_id = await opened(scene)
    agent = {"allowed": ALLOWED[Role.AGENT]}
    await ordered(scene, incident_id, Command.RESOLVE, reason="cured_by_shop", **agent)
    await ordered(scene, incident_id, Command.REOPEN, **agent)
    await ordered(scene, incident_id, Command.RESOLVE, reason="cured_by_shop", **agent)
    await ordered(scene, incident_id, Command.CLOSE, **agent)
    with pytest.raises(NotAllowed):
        await ordered(scene, incident_id, Command.REOPEN, **agent)
    assert await states(scene) == ["closed"]
    await ordered(scene, incident_id, Command.REOPEN)
    assert await states(scene) == ["open"]


async def test_every_act_is_in_the_audit_without_its_words(scene: Scene):
    _, incident_id = await opened(scene)
    by = Author(actor="staff:7", role=Role.AGENT, shop_id=scene.shop.id, request_id="r1")
    await ordered(scene, incident_id, Command.START, by=by, note="Ana Ruiz rang")
    with pytest.raises(RuleRefused):
        await ordered(scene, incident_id, Command.CLOSE, by=by)
    row = await scene.row("select actor, role, shop_id, action, object, detail, request_id from audit")
    said = dict(row) | {"detail": msgspec.json.decode(row["detail"])}
    assert said == {
        "actor": "staff:7", "role": "agent", "shop_id": scene.shop.id, "action": "incident.start",
        "object": f"inc_{incident_id}", "request_id": "r1",
        "detail": dict.fromkeys(("reason", "waiting_on", "into", "owner", "severity", "acts")) | {"was": "open"},
    }  # fmt: skip
    async with scene.house.db.connection() as conn:
        assert (await audit.verify(conn)).broken_at is None


async def test_another_shops_incident_does_not_exist(scene: Scene):
    _, incident_id = await opened(scene)
    with pytest.raises(NotFound):
        await work(
            scene.house,
            scene.shop.id + 1,
            incident_id,
            Order(command=Command.START, by=Author(actor="eve"), allowed=frozenset(May)),
        )
    with pytest.raises(NotFound):
        await ordered(scene, incident_id + 99, Command.START)


async def test_a_command_that_fails_is_not_said_to_be_done(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    _, incident_id = await opened(scene)

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(deciding, "decide", broken)
    with pytest.raises(ZeroDivisionError):
        await ordered(scene, incident_id, Command.ACKNOWLEDGE)
    assert await states(scene) == ["open"]


async def test_working_on_an_undecided_parcel_loses_none_of_its_events(scene: Scene):
    shipment_id, incident_id = await opened(scene)
    await scene.value("update shipment set undecided = 'ours', belief = '{}'")
    await ordered(scene, incident_id, Command.ACKNOWLEDGE)
    row = await scene.shipment(shipment_id)
    assert (row["undecided"], row["milestone"]) == (None, "in_customs")
    assert await states(scene) == ["acknowledged"]


@pytest.mark.parametrize("reason", ["refunded", "reshipped"])
async def test_a_lost_parcel_is_final_once_it_is_made_good(scene: Scene, reason: str):
    shipment_id, incident_id = await opened(scene, LOST)
    assert (await scene.shipment(shipment_id))["ended_at"] is None
    await ordered(scene, incident_id, Command.RESOLVE, reason=reason)
    assert (await scene.shipment(shipment_id))["ended_at"] == START
    await scene.passes(days=40)
    row = await scene.shipment(shipment_id)
    assert (await states(scene), row["next_moment_at"]) == (["closed"], None)


async def test_a_lost_parcel_that_was_found_brings_its_incident_back_to_nothing(scene: Scene):
    shipment_id, _ = await opened(scene, LOST)
    await scene.hears("NUMBER1", event("in_transit.arrived_hub", -0.5))
    assert await states(scene) == ["resolved"]
    assert (await scene.shipment(shipment_id))["milestone"] == "in_transit"


# ------------------------------------------------------------------------------------------------- returns are settled


async def returning(scene: Scene, *events: Any) -> tuple[int, int]:
    shipment_id = await scene.registers()
    await scene.hears("NUMBER1", event("returning.refused", -2, problem="return.refused"), *events)
    return shipment_id, await scene.value("select id from return_case")


@pytest.mark.parametrize("settled_as", ["refunded", "replaced", "rejected"])
async def test_a_settled_return_is_the_end_of_the_story(scene: Scene, settled_as: str):
    shipment_id, return_id = await returning(scene, event("returned", -1))
    replacement = await scene.registers("NUMBER2") if settled_as == "replaced" else None
    await settle(scene.house, scene.shop.id, return_id, settled_as, replacement)
    held = await scene.row("select state, settled_as, settled_at, replacement_id, version from return_case")
    assert tuple(held.values()) == ("settled", settled_as, START, replacement, 2)
    assert (await scene.shipment(shipment_id))["ended_at"] == START
    assert await scene.incidents(shipment_id) == ["return.refused resolved"]
    assert (await scene.notices(shipment_id))[-1] == "return_settled"
    with pytest.raises(RuleRefused, match="is settled cannot settle"):
        await settle(scene.house, scene.shop.id, return_id, settled_as, replacement)


async def test_a_shop_may_refund_before_the_parcel_is_back(scene: Scene):
    shipment_id, return_id = await returning(scene)
    await settle(scene.house, scene.shop.id, return_id, "refunded", None)
    await scene.hears("NUMBER1", event("returned", -0.5))
    row = await scene.shipment(shipment_id)
    assert (row["milestone"], row["ended_at"]) == ("returned", START)
    assert await scene.value("select state from return_case") == "settled"


async def test_what_a_return_cannot_be_settled_with_is_refused(scene: Scene):
    shipment_id, return_id = await returning(scene)
    with pytest.raises(RuleRefused, match="refunded, rejected, replaced"):
        await settle(scene.house, scene.shop.id, return_id, "forgotten", None)
    with pytest.raises(RuleRefused, match="does not replace itself"):
        await settle(scene.house, scene.shop.id, return_id, "replaced", shipment_id)
    with pytest.raises(NotFound, match="shp_999"):
        await settle(scene.house, scene.shop.id, return_id, "replaced", 999)
    with pytest.raises(NotFound, match="ret_"):
        await settle(scene.house, scene.shop.id + 1, return_id, "refunded", None)
    assert await scene.value("select state from return_case") == "in_transit"
