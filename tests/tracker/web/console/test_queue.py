"""The queue of incidents: the most urgent first, each once, filtered by links that can be taken off one by one."""

import re
from datetime import UTC, datetime

import pytest

from tests.support.seeded import entry_link
from tracker.domain.staff import Role
from tracker.store import queue, saved_views
from tracker.store.queue import Spot, spot
from tracker.web.console import incidents

HERE = {"Sec-Fetch-Site": "same-origin"}
OPEN = "state not in ('resolved', 'closed', 'merged')"
BY_URGENCY = (
    f"select array_agg(id order by array_position(array['critical', 'high', 'medium', 'low'], severity),"
    f" promised_update_at nulls last, id) from incident where {OPEN}"
)


async def text(site, path):
    response = await site.get(path)
    assert response.status == 200, path
    return await response.text()


def rows(body):
    return [int(found) for found in re.findall(r'<tr id="inc_(\d+)"', body)]


async def value(services, sql, *arguments):
    async with services.house.db.connection() as conn:
        return await conn.fetchval(sql, *arguments)


async def act(site, path, **fields):
    csrf = re.search(r'name="csrf" value="(\w+)"', await text(site, "/console"))
    assert csrf is not None
    return await site.post(path, data={"csrf": csrf[1], **fields}, headers=HERE, allow_redirects=False)


async def test_the_most_urgent_come_first(board, shop_services):
    assert rows(await text(board, "/console/incidents")) == await value(shop_services, BY_URGENCY)


@pytest.mark.parametrize("look_at", [5000, 5], ids=["a full page", "a short look"])
async def test_pages_show_each_incident_once_and_in_the_same_order(board, shop_services, monkeypatch, look_at):
    monkeypatch.setattr(incidents, "_MOST", 4)
    monkeypatch.setattr(queue, "LOOK_AT", look_at)
    seen: list[int] = []
    path: str | None = "/console/incidents"
    while path:
        body = await text(board, path)
        seen += rows(body)
        further = re.search(r'class="older"><a class="button" href="([^"]+)"', body)
        path = further[1].replace("&amp;", "&") if further else None
    assert seen == await value(shop_services, BY_URGENCY)


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("category=customs", "category = 'customs'"),
        ("severity=high", "severity = 'high'"),
        ("waiting_on=recipient", "action_owner = 'recipient'"),
        ("state=open&category=delay", "state = 'open' and category = 'delay'"),
        ("carrier=dhl_unified", "shipment_id in (select id from shipment where carrier = 'dhl_unified')"),
        ("due=day", "least(promised_update_at, action_until) <= timestamptz '2026-11-24 09:20Z'"),
        ("state=purple&after=9-9-9&carrier=';--", "true"),
    ],
)
async def test_filters_show_what_is_so_and_nothing_else(board, shop_services, query, where):
    expected = await value(shop_services, f"select array_agg(id order by id) from incident where {OPEN} and {where}")
    assert sorted(rows(await text(board, f"/console/incidents?{query}"))) == expected


async def test_each_filter_is_taken_off_by_itself_and_counts_what_it_would_show(board):
    body = await text(board, "/console/incidents?category=customs&severity=high")
    on = re.findall(r'class="filter" href="([^"]+)" aria-current', body)
    assert sorted(on) == ["/console/incidents?category=customs", "/console/incidents?severity=high"]
    offered = await text(board, "/console/incidents")
    counted = re.findall(
        r'<a href="(/console/incidents\?[^"]+)">[^<]*(?:<svg.*?</svg>)?[^<]* <span class="num soft">(\d+)', offered
    )
    assert len(counted) > 8
    for address, count in counted:
        assert (address, len(rows(await text(board, address)))) == (address, int(count))


async def test_a_view_is_saved_for_oneself_and_goes_again(board, shop_services, aiohttp_client):
    saved = await act(board, "/console/views", name="  Customs  first ", query="category=customs&after=x&next=//evil")
    assert (saved.status, saved.headers["Location"]) == (303, "/console/incidents?category=customs")
    body = await text(board, saved.headers["Location"])
    assert "The view is saved." in body
    found = re.search(
        r'href="/console/incidents\?category=customs" aria-current="true"><svg.*?</svg>Customs first<', body
    )
    assert found is not None
    remove = re.search(r'action="(/console/views/\d+/remove)"', body)
    assert remove is not None

    await board.get(await entry_link(shop_services.house, Role.AGENT), allow_redirects=False)
    assert "Customs first" not in await text(board, "/console/incidents")
    assert (await act(board, remove[1])).status == 404

    await board.get(await entry_link(shop_services.house, Role.ADMIN), allow_redirects=False)
    assert (await act(board, remove[1])).status == 303
    assert "Customs first" not in await text(board, "/console/incidents")


async def test_a_view_needs_a_name_and_there_is_an_end_to_them(board, shop_services, monkeypatch):
    monkeypatch.setattr(saved_views, "MOST", 1)
    for name in ("", "  ", "x" * 41):
        await act(board, "/console/views", name=name, query="state=open")
        assert "A view needs a name" in await text(board, "/console/incidents")
    await act(board, "/console/views", name="one", query="state=open")
    await act(board, "/console/views", name="two", query="state=open")
    body = await text(board, "/console/incidents")
    assert "A view needs a name" in body
    await act(board, "/console/views", name="one", query="state=waiting")  # in place of what it was
    body = await text(board, "/console/incidents")
    assert re.findall(r'\?(state=\w+)"[^>]*><svg[^>]*><use href="#i-eye"', body) == ["state=waiting"]
    (remove,) = re.findall(r'action="(/console/views/\d+/remove)"', body)
    await act(board, remove)


def test_a_place_in_the_queue_is_read_as_it_was_written_and_nonsense_is_none():
    for one in (
        Spot(),
        Spot(2, datetime(2026, 11, 23, 9, 20, 0, 7, tzinfo=UTC), 99),
        Spot(4, datetime.max.replace(tzinfo=UTC), 7),
    ):
        assert spot(str(one)) == one
    for nonsense in ("", "9-1-1", "1-x-1", "1-999999999999999999-1", "1-1-", "١-1-1", f"1-1-{'9' * 19}"):
        assert spot(nonsense) is None
