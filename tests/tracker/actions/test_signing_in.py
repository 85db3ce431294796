"""Who comes in, and who does not; the second factor; sessions that end; the record of it all."""

import asyncio

import pyotp
import pytest

from tests.tracker.actions.conftest import Scene
from tracker.actions import audit, people, second_factor, sign_in
from tracker.actions.audit import AT_THE_MACHINE
from tracker.actions.sign_in import Entrance, Halfway, SignInRefused, Visit
from tracker.domain.errors import FieldsWrong, NotFound, RuleRefused
from tracker.domain.staff import Person, Role
from tracker.store import people as listed

HOME, CAFE = Visit("192.0.2.1", "Firefox"), Visit("198.51.100.7", "Chrome")
PASSWORD = "three green parcels"


async def joins(scene: Scene, email: str = "ana@shop.example", role: Role = Role.ADMIN) -> Person:
    token = await people.invite(scene.house, "north", email, "Ana García", role, AT_THE_MACHINE)
    return await person(scene, await people.accept(scene.house, token, PASSWORD, HOME))


async def person(scene: Scene, entrance: Entrance) -> Person:
    found = await found_by(scene, entrance.token)
    assert isinstance(found, Person)
    return found


async def found_by(scene: Scene, token: str) -> Person | Halfway | None:
    async with scene.house.db.connection() as conn:
        return await sign_in.find(conn, token)


async def refused(scene: Scene, password: str, visit: Visit = CAFE, email: str = "ana@shop.example") -> float | None:
    """How long to wait before the next try, in seconds."""
    with pytest.raises(SignInRefused) as no:
        await sign_in.sign_in(scene.house, email, password, visit)
    return no.value.retry_after


async def test_whoever_is_invited_chooses_a_password_and_comes_in(scene: Scene):
    ana = await joins(scene)
    assert (ana.name, ana.email, ana.shop, ana.role) == ("Ana García", "ana@shop.example", "north", Role.ADMIN)
    again = await sign_in.sign_in(scene.house, " Ana@Shop.example ", PASSWORD, HOME)
    assert (await person(scene, again)).staff_id == ana.staff_id


async def test_an_invitation_opens_once_and_a_newer_one_ends_it(scene: Scene):
    older = await people.invite(scene.house, "north", "ana@shop.example", "Ana", Role.AGENT, AT_THE_MACHINE)
    newer = await people.invite(scene.house, "north", "ana@shop.example", "Ana", Role.AGENT, AT_THE_MACHINE)
    for token in (older, "unknown"):
        with pytest.raises(SignInRefused):
            await people.accept(scene.house, token, PASSWORD, HOME)
    await people.accept(scene.house, newer, PASSWORD, HOME)
    with pytest.raises(SignInRefused):
        await people.accept(scene.house, newer, PASSWORD, HOME)


@pytest.mark.parametrize(
    "weak", ["short", "x" * 129, "password1234", "aaaaaaaaaaaaa", "ana@shop.example", "garcía-garcía"]
)
async def test_a_password_that_is_tried_first_is_refused_and_the_invitation_kept(scene: Scene, weak: str):
    token = await people.invite(
        scene.house, "north", "ana@shop.example", "Ana García-García", Role.AGENT, AT_THE_MACHINE
    )
    with pytest.raises(FieldsWrong):
        await people.accept(scene.house, token, weak, HOME)
    await people.accept(scene.house, token, PASSWORD, HOME)


async def test_wrong_passwords_and_unknown_people_are_refused_alike(scene: Scene):
    await joins(scene)
    assert await refused(scene, "wrong password") is None
    assert await refused(scene, PASSWORD, email="nobody@shop.example") is None


async def test_after_some_failures_each_try_has_to_wait_and_a_right_one_too(scene: Scene):
    await joins(scene)
    for _ in range(5):
        assert await refused(scene, "wrong password") is None
    wait = await refused(scene, PASSWORD)
    assert wait is not None
    assert 0 < wait <= 1
    await scene.rows("update sign_in_failure set failed_at = failed_at - interval '2 seconds'")
    await sign_in.sign_in(scene.house, "ana@shop.example", PASSWORD, CAFE)
    assert await refused(scene, "wrong password") is None  # forgiven


async def test_the_wait_grows_and_has_an_end(scene: Scene):
    await joins(scene)
    await refused(scene, "wrong password")
    await scene.rows("update sign_in_failure set failures = 5000")
    wait = await refused(scene, PASSWORD)
    assert wait is not None
    assert 890 < wait <= 900


async def test_strangers_who_try_a_name_do_not_keep_its_owner_out(scene: Scene):
    token = await people.invite(scene.house, "north", "ana@shop.example", "Ana", Role.AGENT, AT_THE_MACHINE)
    entrance = await people.accept(scene.house, token, PASSWORD, HOME)
    await refused(scene, "wrong password")
    await scene.rows("update sign_in_failure set failures = 5000")
    assert await refused(scene, PASSWORD, CAFE) is not None
    known = Visit(CAFE.address, "Firefox", device=entrance.device)
    assert (await sign_in.sign_in(scene.house, "ana@shop.example", PASSWORD, known)).complete


async def test_simultaneous_guesses_count_each(scene: Scene):
    await joins(scene)
    tries = [sign_in.sign_in(scene.house, "ana@shop.example", f"guess number {n}", CAFE) for n in range(12)]
    ends = await asyncio.gather(*tries, return_exceptions=True)
    assert all(isinstance(end, SignInRefused) for end in ends)
    assert await refused(scene, PASSWORD) is not None


async def with_second_factor(scene: Scene, ana: Person) -> tuple[pyotp.TOTP, list[str]]:
    totp = pyotp.parse_uri(await second_factor.begin(scene.house, ana))
    assert isinstance(totp, pyotp.TOTP)
    codes = await second_factor.confirm(scene.house, ana, totp.at(await now(scene)))
    return totp, codes


async def now(scene: Scene) -> int:
    return int(await scene.value("select extract(epoch from clock_timestamp())"))


async def test_with_a_second_factor_a_password_opens_half_the_door(scene: Scene):
    ana = await joins(scene)
    totp, _ = await with_second_factor(scene, ana)
    half = await sign_in.sign_in(scene.house, ana.email, PASSWORD, CAFE)
    assert (half.complete, half.device) == (False, "")
    assert isinstance(await found_by(scene, half.token), Halfway)

    with pytest.raises(SignInRefused):
        await sign_in.second_step(scene.house, half.token, "000000", CAFE)
    whole = await sign_in.second_step(scene.house, half.token, totp.at(await now(scene) + 30), CAFE)
    assert (await person(scene, whole)).has_second_factor
    assert await found_by(scene, half.token) is None  # the token changed with what it may do


async def test_a_code_works_once(scene: Scene):
    ana = await joins(scene)
    totp, _ = await with_second_factor(scene, ana)
    code = totp.at(await now(scene) + 30)
    for works in (True, False):
        half = await sign_in.sign_in(scene.house, ana.email, PASSWORD, CAFE)
        if works:
            await sign_in.second_step(scene.house, half.token, code, CAFE)
        else:
            with pytest.raises(SignInRefused):
                await sign_in.second_step(scene.house, half.token, code, CAFE)


async def test_a_recovery_code_works_once_however_it_is_typed(scene: Scene):
    ana = await joins(scene)
    _, codes = await with_second_factor(scene, ana)
    assert len(set(codes)) == 10
    half = await sign_in.sign_in(scene.house, ana.email, PASSWORD, CAFE)
    await sign_in.second_step(scene.house, half.token, codes[0].replace("-", " ").lower(), CAFE)
    half = await sign_in.sign_in(scene.house, ana.email, PASSWORD, CAFE)
    with pytest.raises(SignInRefused):
        await sign_in.second_step(scene.house, half.token, codes[0], CAFE)


async def test_guessing_codes_has_to_wait_too(scene: Scene):
    ana = await joins(scene)
    await with_second_factor(scene, ana)
    half = await sign_in.sign_in(scene.house, ana.email, PASSWORD, CAFE)
    waits = []
    for guess in range(8):
        with pytest.raises(SignInRefused) as no:
            await sign_in.second_step(scene.house, half.token, f"00000{guess}", CAFE)
        waits.append(no.value.retry_after is not None)
    assert waits[-1] is True


@pytest.mark.parametrize(
    "over",
    [
        "update staff_session set expires_at = clock_timestamp()",
        "update staff_session set seen_at = clock_timestamp() - interval '31 minutes'",
        "update staff_session set revoked_at = clock_timestamp()",
        "update staff set disabled_at = clock_timestamp()",
        "delete from staff_role",
    ],
    ids=["over", "idle", "revoked", "disabled", "without a role"],
)
async def test_a_session_ends(scene: Scene, over: str):
    token = await people.invite(scene.house, "north", "ana@shop.example", "Ana", Role.AGENT, AT_THE_MACHINE)
    entrance = await people.accept(scene.house, token, PASSWORD, HOME)
    await scene.rows(over)
    assert await found_by(scene, entrance.token) is None


async def test_whoever_is_kept_out_or_given_another_role_is_out_at_once(scene: Scene):
    ana, ben = await joins(scene), await joins(scene, "ben@shop.example", Role.AGENT)
    for change in (
        people.disable(scene.house, ben.staff_id, ana, disabled=True),
        people.disable(scene.house, ben.staff_id, ana, disabled=False),
        people.change_role(scene.house, ben.staff_id, Role.VIEWER, ana),
    ):
        await change
        left = await scene.value(
            "select count(*) from staff_session where staff_id = $1 and revoked_at is null", ben.staff_id
        )
        assert left == 0
    entrance = await sign_in.sign_in(scene.house, "ben@shop.example", PASSWORD, HOME)
    assert (await person(scene, entrance)).role is Role.VIEWER


async def test_a_shop_keeps_its_last_admin(scene: Scene):
    ana, ben = await joins(scene), await joins(scene, "ben@shop.example", Role.ADMIN)
    await people.change_role(scene.house, ben.staff_id, Role.AGENT, ana)
    with pytest.raises(RuleRefused, match="last admin"):
        await people.change_role(scene.house, ana.staff_id, Role.AGENT, ana)
    with pytest.raises(RuleRefused, match="last admin"):
        await people.disable(scene.house, ana.staff_id, ana, disabled=True)


async def test_two_admins_cannot_remove_each_other_at_the_same_time(scene: Scene):
    ana, ben = await joins(scene), await joins(scene, "ben@shop.example", Role.ADMIN)
    ends = await asyncio.gather(
        people.disable(scene.house, ben.staff_id, ana, disabled=True),
        people.disable(scene.house, ana.staff_id, ben, disabled=True),
        return_exceptions=True,
    )
    assert sorted(type(end).__name__ for end in ends) == ["NoneType", "RuleRefused"]


async def test_people_of_another_shop_are_not_there(scene: Scene):
    ana = await joins(scene)
    stranger = await scene.value(
        "insert into staff (email, name, created_at) values ('x@y.z', 'X', clock_timestamp()) returning id"
    )
    with pytest.raises(NotFound):
        await people.change_role(scene.house, stranger, Role.VIEWER, ana)


async def test_a_new_password_ends_all_other_sessions(scene: Scene):
    ana = await joins(scene)
    other = await sign_in.sign_in(scene.house, ana.email, PASSWORD, CAFE)
    with pytest.raises(FieldsWrong):
        await people.change_password(scene.house, ana, "not the old one", "four green parcels")
    await people.change_password(scene.house, ana, PASSWORD, "four green parcels")
    assert await found_by(scene, other.token) is None
    await refused(scene, PASSWORD)
    await sign_in.sign_in(scene.house, ana.email, "four green parcels", HOME)


async def test_a_link_asked_for_on_the_machine_opens_once(scene: Scene):
    with pytest.raises(NotFound, match="no admin yet"):
        await people.entry_link(scene.house, None, AT_THE_MACHINE)
    ana = await joins(scene)
    link = await people.entry_link(scene.house, None, AT_THE_MACHINE)
    assert (await person(scene, await sign_in.enter(scene.house, link, HOME))).staff_id == ana.staff_id
    with pytest.raises(SignInRefused):
        await sign_in.enter(scene.house, link, HOME)


async def test_no_token_password_or_code_is_kept_as_it_is(scene: Scene):
    ana = await joins(scene)
    totp, codes = await with_second_factor(scene, ana)
    link = await people.entry_link(scene.house, None, AT_THE_MACHINE)
    kept = ""
    for table in ("staff", "staff_link", "staff_session", "recovery_code", "audit", "sign_in_failure"):
        kept += "".join(str(dict(row)) for row in await scene.rows(f"select * from {table}"))
    for secret in (PASSWORD, totp.secret, codes[0], codes[0].replace("-", ""), link, HOME.address):
        assert secret not in kept


async def test_what_was_done_is_written_down_and_sealed(scene: Scene):
    ana = await joins(scene)
    await refused(scene, "wrong password")
    await people.disable(scene.house, (await joins(scene, "ben@shop.example", Role.AGENT)).staff_id, ana, disabled=True)
    rows = await scene.rows("select actor, role, action, object, shop_id from audit order by id")
    assert [(row["actor"], row["action"]) for row in rows] == [
        ("cli", "person.invited"),
        (f"staff:{ana.staff_id}", "person.joined"),
        ("somebody", "person.refused"),
        ("cli", "person.invited"),
        (f"staff:{ana.staff_id + 1}", "person.joined"),
        (f"staff:{ana.staff_id}", "person.disabled"),
    ]
    assert {row["shop_id"] for row in rows if row["actor"] != "somebody"} == {ana.shop_id}
    verdict = await verified(scene)
    assert (verdict.rows, verdict.broken_at) == (6, None)


async def verified(scene: Scene, anchor: tuple[int, str] | None = None) -> audit.Verdict:
    async with scene.house.db.connection() as conn:
        return await audit.verify(conn, anchor)


@pytest.mark.parametrize(
    ("tampering", "broken_at"),
    [
        ('update audit set detail = \'{"role": "viewer"}\' where id = 1', 1),
        ("update audit set actor = 'staff:99' where id = 3", 3),
        ("update audit set at = at + interval '1 microsecond' where id = 2", 2),
        ("delete from audit where id = 2", 3),
        ("update audit set id = 10 where id = 4", 10),
    ],
)
async def test_whoever_changes_the_record_is_found_out(scene: Scene, tampering: str, broken_at: int):
    for email in ("ana@shop.example", "ben@shop.example"):
        await joins(scene, email)
    assert (await verified(scene)).rows == 4
    await scene.rows(tampering)
    assert (await verified(scene)).broken_at == broken_at


async def test_a_record_that_was_cut_short_is_found_by_what_was_noted_elsewhere(scene: Scene):
    await joins(scene)
    verdict = await verified(scene)
    anchor = (verdict.rows, verdict.head)
    assert (await verified(scene, anchor)).broken_at is None
    await scene.rows("delete from audit where id = 2")
    assert (await verified(scene)).broken_at is None
    assert (await verified(scene, anchor)).broken_at == 2


async def test_many_who_do_something_at_once_are_sealed_one_after_the_other(scene: Scene):
    ana = await joins(scene)
    emails = [f"agent{n}@shop.example" for n in range(12)]
    await asyncio.gather(
        *(people.invite(scene.house, "north", email, "Agent", Role.AGENT, audit.author(ana)) for email in emails)
    )
    verdict = await verified(scene)
    assert (verdict.rows, verdict.broken_at) == (14, None)


async def test_sessions_are_seen_and_ended_one_by_one(scene: Scene):
    ana = await joins(scene)
    other = await person(scene, await sign_in.sign_in(scene.house, ana.email, PASSWORD, CAFE))
    await sign_in.revoke(scene.house, other.session_id, ana)
    with pytest.raises(NotFound):
        await sign_in.revoke(scene.house, other.session_id, ana)
    await sign_in.sign_out(scene.house, ana)
    assert await scene.value("select count(*) from staff_session where revoked_at is null") == 0


async def test_pages_find_people_sessions_and_what_was_done(scene: Scene):
    ana = await joins(scene)
    await with_second_factor(scene, ana)
    await people.change_profile(scene.house, ana, "Ana G.", people.Reading(language="en", time_zone="Atlantic/Canary"))
    with pytest.raises(FieldsWrong, match="/time_zone"):
        await people.change_profile(scene.house, ana, "Ana", people.Reading(time_zone="Mars/Olympus"))
    async with scene.house.db.connection() as conn:
        (line,) = await listed.people(conn, ana.shop_id)
        (session,) = await listed.sessions(conn, ana.staff_id)
        (role,) = await listed.roles(conn, ana.staff_id)
        everything = await listed.audit(conn, ana.shop_id, listed.AuditFilter(), most=10)
        (joined,) = await listed.audit(conn, ana.shop_id, listed.AuditFilter(action="person.joined"), most=10)
        older = await listed.audit(conn, ana.shop_id, listed.AuditFilter(), before=everything[0].id, most=10)
        assert await listed.recovery_codes_left(conn, ana.staff_id) == 10
    assert (line.name, line.role, line.has_password, line.has_second_factor) == ("Ana G.", Role.ADMIN, True, True)
    assert (session.id, session.browser, role.shop) == (ana.session_id, "Firefox", "north")
    steps = ["invited", "joined", "second_factor_set", "profile_changed"]
    assert [one.action for one in reversed(everything)] == [f"person.{step}" for step in steps]
    assert (joined.actor, older) == (ana.actor, everything[1:])
