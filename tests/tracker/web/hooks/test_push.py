import asyncio
import gzip
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from standardwebhooks.webhooks import Webhook

from sql.connection import Connection
from tests.tracker.web.conftest import Serve, Stop
from tests.tracker.web.door import PARCEL, START, Caller, Client, Pusher, event, partner_of, sign
from tracker.actions import access, intake
from tracker.actions.group_commit import GroupCommit
from tracker.actions.intake import Observation, Taken
from tracker.web.hooks import push
from tracker.web.hooks.push import MOST_BYTES
from tracker.web.services import Services

NUMBER = PARCEL["tracking_number"]
RECEIPT = {
    "accepted": 0, "known": 0, "unclaimed": 0, "refused": [], "quarantined": False, "problem": None, "problem_path": None,
}  # fmt: skip


async def observations(services: Services) -> list[dict[str, object]]:
    async with services.house.db.connection() as conn:
        return [dict(row) for row in await conn.fetch("select * from observation order by id")]


async def test_a_push_moves_the_parcel_and_keeps_its_bytes(shop: Caller, partner: Pusher, services: Services):
    made = await shop.register()
    raw = msgspec.json.encode({"events": [event(milestone="out_for_delivery", status_detail="on_vehicle")]})

    answer = await partner.push(raw)

    assert (answer.status, answer.body) == (
        202,
        RECEIPT | {"accepted": 1},
    )
    assert (await shop.get(f"/api/v1/shipments/{made['id']}")).body["milestone"] == "out_for_delivery"
    (kept,) = await observations(services)
    assert (kept["raw"], kept["source"], kept["push_id"], kept["received_at"]) == (raw, "push", "msg_1", START)


async def test_the_same_push_again_is_known(shop: Caller, partner: Pusher):
    await shop.register()
    await partner.events(event())

    assert (await partner.events(event())).body == RECEIPT | {"known": 1}


async def test_the_library_of_standard_webhooks_signs_what_is_taken(shop: Caller, partner: Pusher):
    await shop.register()
    raw, at = msgspec.json.encode({"events": [event(text="Año nuevo")]}), datetime.now(UTC)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "webhook-id": "msg_7",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(partner.secret).sign("msg_7", at, raw.decode()),
    }

    assert (await partner.send(raw, headers)).status == 202


async def test_a_number_is_found_however_it_is_spaced(shop: Caller, partner: Pusher):
    await shop.register()

    answer = await partner.events(event(tracking_number=f" {NUMBER[:4]} {NUMBER[4:].lower()} "))

    assert answer.body["accepted"] == 1


async def test_what_is_pushed_before_the_registration_is_taken_up_by_it(shop: Caller, partner: Pusher):
    assert (await partner.events(event(milestone="accepted"))).body["unclaimed"] == 1

    assert (await shop.register())["milestone"] == "accepted"


async def test_good_entries_are_taken_and_bad_ones_named_and_shown(shop: Caller, partner: Pusher, services: Services):
    await shop.register()

    answer = await partner.events(event(), {"carrier": "correos"}, event(milestone="teleported"))

    assert answer.status == 202
    assert (answer.body["accepted"], [one["index"] for one in answer.body["refused"]]) == (1, [1, 2])
    (kept,) = await observations(services)
    assert kept["problem_path"] == "events[1]"


UNREADABLE = [
    (b"", ""),
    (b"\xff\x00\xfe", ""),
    (b"not json", ""),
    (b"[" * 50_000, ""),
    (b'{"events": 7}', "events"),
    (b'{"events": [{}]}', "events[0]"),
    (b"<html><title>Bad gateway</title></html>", ""),
]


async def test_a_signed_body_that_cannot_be_read_is_quarantined(partner: Pusher, services: Services):
    for raw, _ in UNREADABLE:
        answer = await partner.push(raw)
        assert (answer.status, answer.body["quarantined"]) == (200, True), raw

    kept = await observations(services)
    assert [(one["raw"], one["problem_path"], one["settled_at"]) for one in kept] == [
        (raw, path, None) for raw, path in UNREADABLE
    ]
    assert all(one["problem"] for one in kept)


async def test_a_signature_that_does_not_fit_is_refused_without_a_word(partner: Pusher, services: Services):
    for spoilt in (
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
        {"webhook-id": "msg_other"},
        {"webhook-timestamp": "yesterday"},
        {"webhook-timestamp": "9" * 40},
    ):
        answer = await partner.push(b'{"events": []}', headers=spoilt)
        assert (answer.status, answer.body["detail"]) == (401, "The signature does not fit."), spoilt

    assert await observations(services) == []


async def test_why_a_signature_was_refused_stands_in_the_log_alone(partner: Pusher, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    await partner.push(b"{}", secret="whsec_AAAA", push_id="msg_secret")

    lines = [vars(record) for record in caplog.records if record.name.startswith("tracker.web")]
    assert [line.get("because") for line in lines] == ["no_match", None]
    assert [line.get("route") for line in lines] == [None, "/push/{partner}"]
    assert not [word for word in (partner.code, partner.secret, "msg_secret") if word in str(lines)]


async def test_the_body_is_part_of_what_is_signed(partner: Pusher, client: Client):
    raw, at = b'{"events": []}', datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(partner.secret).sign("msg_1", at, raw.decode()),
    }

    assert (await partner.send(raw, headers)).status == 202
    assert (await partner.send(raw + b" ", headers)).status == 401


async def test_a_push_counts_for_five_minutes_of_machine_time(partner: Pusher):
    for off_by, status in ((290, 202), (-290, 202), (330, 401), (-330, 401)):
        answer = await partner.push(b'{"events": []}', at=datetime.now(UTC) + timedelta(seconds=off_by))
        assert answer.status == status, off_by


async def test_a_rotated_secret_counts_beside_the_new_one(partner: Pusher, services: Services):
    house = services.house
    async with house.db.connection() as conn:
        new = await access.rotate_partner(conn, house.vault, partner.code)

    assert [(await partner.push(b"{}", secret=one)).status for one in (partner.secret, new)] == [200, 200]


async def test_what_is_wrong_first_is_said_first(partner: Pusher, client: Client):
    huge, unsigned = b" " * (MOST_BYTES + 1), {"Content-Type": "application/json"}
    stranger = Pusher(client, "ptn_0000000000000000000000", partner.secret)

    assert (await stranger.push(huge)).status == 413
    assert (await stranger.push(b"{}")).status == 404
    assert (await Pusher(client, "x' or 1=1", partner.secret).push(b"{}")).status == 404
    assert (await partner.send(b"{}", {"Content-Type": "text/xml"})).status == 415
    assert (await partner.send(b"{}", unsigned)).status == 401


async def test_a_body_that_grows_when_unpacked_is_refused(partner: Pusher):
    bomb = gzip.compress(b" " * (20 * MOST_BYTES))

    assert (await partner.push(bomb, headers={"Content-Encoding": "gzip"})).status == 413


async def test_one_bad_entry_costs_no_other_and_every_reason_is_told(shop: Caller, partner: Pusher):
    await shop.register()
    good, half_an_emoji = event(), event("2026-03-02T05:00:00Z", text="x")
    tomorrow = event("2026-03-03T09:00:01Z")
    entries = [good, half_an_emoji, tomorrow, event(carrier="DHL"), event(carrier="CORREOS")]
    raw = msgspec.json.encode({"events": entries}).replace(b'"x"', b'"caf\\ud83d"')

    answer = await partner.push(raw)

    assert (answer.status, answer.body["accepted"], answer.body["known"]) == (202, 2, 1)
    assert [one["path"] for one in answer.body["refused"]] == ["events[2].occurred_at", "events[3].carrier"]
    assert "has not come yet" in answer.body["refused"][0]["reason"]
    assert "known: correos, dhl_unified, ups" in answer.body["refused"][1]["reason"]
    assert answer.body["problem"].startswith("2 entries cannot be read; the first: ")


async def test_a_push_that_cannot_be_read_says_why(partner: Pusher):
    answer = await partner.push(b'{"events": {"1": NaN}}')
    assert (answer.status, answer.body["quarantined"]) == (200, True)
    assert answer.body["problem"] == "not JSON: NaN is no JSON"


async def test_a_list_that_is_too_long_is_refused_at_once_and_not_kept(partner: Pusher, services: Services):
    answer = await partner.push(b'{"events": [' + b",".join([b"1"] * 400_000) + b"]}")
    assert answer.status == 413
    assert "send it in parts" in answer.body["detail"]
    assert await observations(services) == []


async def test_a_body_that_is_not_packed_as_it_says_is_malformed(partner: Pusher):
    answer = await partner.push(b"abc", headers={"Content-Encoding": "gzip"})
    assert (answer.status, answer.body["code"]) == (400, "malformed")


async def test_an_answer_is_given_only_once_the_push_is_durable(services: Services, serve: Serve):
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def commit(batch: Sequence[Observation]) -> list[Taken]:
        begun.set()
        await may_end.wait()
        return [Taken(observation_id=1, new_events=1) for _ in batch]

    partner = await partner_of(services, await serve(GroupCommit(commit)))
    answer = asyncio.create_task(partner.events(event()))
    await begun.wait()
    assert not answer.done()
    may_end.set()

    assert (await answer).status == 202


async def test_what_our_mistake_keeps_out_is_quarantined_and_its_neighbours_are_taken(services: Services, serve: Serve):
    house, begun, all_are_here = services.house, asyncio.Event(), asyncio.Event()
    sizes: list[int] = []

    async def take_in(conn: Connection, batch: Sequence[Observation]) -> list[Taken]:
        taken = await intake.take_in(house, conn, batch)
        if any(said.carrier == "correos" for one in batch for said in one.said):
            raise ZeroDivisionError
        return taken

    async def commit(batch: Sequence[Observation]) -> list[Taken]:
        sizes.append(len(batch))
        begun.set()
        await all_are_here.wait()
        return await house.db.retrying(lambda conn: take_in(conn, batch), idempotent=True)

    class Counted(GroupCommit[Observation, Taken]):
        submitted = 0

        async def submit(self, item: Observation) -> Taken:
            self.submitted += 1
            if self.submitted == 4:
                all_are_here.set()
            return await super().submit(item)

    partner = await partner_of(services, await serve(Counted(commit, instead=intake.quarantined)))
    first = asyncio.create_task(partner.events(event(carrier="ups")))
    await begun.wait()
    bodies = ([event(carrier="ups")], [event(carrier="correos"), {}], [event(carrier="ups")])
    others = [asyncio.create_task(partner.events(*body)) for body in bodies]

    assert [(await one).status for one in (first, *others)] == [202, 202, 200, 202]
    assert sizes[:2] == [1, 3]
    kept = await observations(services)
    assert [one["problem"] for one in kept if one["problem"]] == ["taking it in failed: ZeroDivisionError"]
    assert len(kept) == 4


async def test_connections_cut_in_the_middle_lose_nothing(shop: Caller, partner: Pusher, services: Services):
    await shop.register()
    await partner.events(event())
    async with services.house.db.connection() as conn:
        await conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() "
            "and datname = current_database()"
        )

    answers = await asyncio.gather(*(partner.events(event(f"2026-03-02T0{hour}:00:00Z")) for hour in range(5)))

    assert {answer.status for answer in answers} <= {202, 503}
    taken = sum(answer.body["accepted"] for answer in answers if answer.status == 202)
    assert len(await observations(services)) == 1 + [answer.status for answer in answers].count(202)
    assert taken == [answer.status for answer in answers].count(202)


async def test_without_a_database_the_sender_is_asked_to_come_back(partner: Pusher, services: Services, client: Client):
    stranger = Pusher(client, "ptn_0000000000000000000000", partner.secret)
    await partner.events(event())
    await services.house.db.close()

    for answer in (await partner.events(event()), await stranger.push(b"{}")):
        assert (answer.status, answer.headers["Retry-After"], answer.body["code"]) == (503, "5", "unavailable")


async def test_too_many_waiting_pushes_are_asked_to_come_back(services: Services, serve: Serve):
    async def commit(batch: Sequence[Observation]) -> list[Taken]:
        return []

    partner = await partner_of(services, await serve(GroupCommit(commit, waiting=0)))

    assert (await partner.events(event())).status == 503


async def test_a_commit_that_takes_too_long_does_not_keep_the_sender_hanging(
    services: Services, serve: Serve, monkeypatch: pytest.MonkeyPatch
):
    never = asyncio.Event()

    async def commit(batch: Sequence[Observation]) -> list[Taken]:
        await never.wait()
        return [Taken(observation_id=1) for _ in batch]

    partner = await partner_of(services, await serve(GroupCommit(commit)))
    assert (await partner.push(b"{}", secret="whsec_AAAA")).status == 401  # the partner is remembered now
    monkeypatch.setattr(push, "_PATIENCE", 0.01)

    answer = await partner.events(event())
    never.set()

    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_a_process_that_is_stopping_takes_no_more_pushes(partner: Pusher, stop: Stop, services: Services):
    stop.asked = True

    answer = await partner.events(event())

    assert (answer.status, "Retry-After" in answer.headers) == (503, True)
    assert await observations(services) == []


async def test_headers_that_are_no_text_are_refused_or_kept_clean(partner: Pusher, services: Services):
    raw, at = b"no json", datetime.now(UTC)
    status = await partner.send_raw(
        raw,
        b"webhook-id: msg_\xff",
        b"webhook-timestamp: %d" % at.timestamp(),
        b"webhook-signature: " + sign(partner.secret, b"msg_?", at, raw).encode(),
        b"content-type: application/json; charset=\xff",
    )

    assert status == 200
    (kept,) = await observations(services)
    assert kept["push_id"] == "msg_"
