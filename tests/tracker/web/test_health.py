from prometheus_client.parser import text_string_to_metric_families

from tests.tracker.web.conftest import Stop
from tests.tracker.web.door import Caller, Client, Pusher, event
from tracker.web.services import Services


async def numbers(client: Client) -> dict[tuple[str, str], float]:
    async with client.get("/metrics") as answer:
        assert (answer.status, answer.content_type) == (200, "text/plain")
        text = await answer.text()
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def status(client: Client, path: str) -> tuple[int, str]:
    async with client.get(path) as answer:
        return answer.status, await answer.text()


async def test_alive_and_ready(client: Client, services: Services):
    assert [(await status(client, path))[0] for path in ("/livez", "/readyz")] == [200, 200]


async def test_not_ready_while_stopping(client: Client, stop: Stop):
    stop.asked = True

    assert [(await status(client, path))[0] for path in ("/livez", "/readyz")] == [200, 503]


async def test_not_ready_without_a_database_and_still_alive(client: Client, services: Services):
    await services.house.db.close()

    assert [(await status(client, path))[0] for path in ("/livez", "/readyz", "/metrics")] == [200, 503, 200]
    assert (await numbers(client))["tracker_database_up", ""] == 0


async def test_not_ready_before_every_migration_and_after_a_newer_release(client: Client, services: Services):
    async with services.house.db.connection() as conn:
        await conn.execute("insert into migration (number, name, sha256) values (9999, '9999_later.sql', '')")
    assert (await status(client, "/readyz"))[0] == 503

    async with services.house.db.connection() as conn:
        await conn.execute("delete from migration")
    code, said = await status(client, "/readyz")
    assert code == 503
    assert "missing" in said


async def test_pushes_and_what_waits_are_counted(client: Client, shop: Caller, partner: Pusher):
    await shop.register()
    before = await numbers(client)
    await partner.events(event(milestone="in_customs", status_detail="documents_required", code="H1"))
    await partner.push(b"no json")
    await partner.push(b"no json", secret="whsec_AAAA")
    after = await numbers(client)

    def counted(name: str, label: str = "") -> float:
        return after[name, label] - before.get((name, label), 0)

    assert [counted("tracker_pushes_total", one) for one in ("accepted", "quarantined", "unauthorized")] == [1, 1, 1]
    assert counted("tracker_incidents_total", "customs,opened") == 1
    assert after["tracker_waiting", "quarantine"] == 1
    assert after["tracker_waiting", "messages"] >= 1
    assert after["tracker_open_incidents", "customs"] == 1
    assert before["tracker_waiting", "polls"] == 1
    assert after["tracker_database_up", ""] == 1
