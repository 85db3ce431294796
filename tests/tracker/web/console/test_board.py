import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.support import seeded_shop
from tests.support.seeded import Site, entry_link
from tests.support.statements import counting
from tracker.actions import access
from tracker.domain.staff import Role
from tracker.store.db import Database
from tracker.web.app import make_app
from tracker.web.console import today
from tracker.web.services import Services

PAGES = ["", "/incidents", "/shipments?health=held", "/search?q=1001", "/messages", "/quarantine", "/carriers"]
HELD = ("customs_documents", "customs_duties", "customs_documents")


async def text(site: Site, path: str, **headers: str) -> str:
    response = await site.get(path, headers=headers)
    assert response.status == 200, path
    return await response.text()


async def value(services: Services, sql: str, *arguments: Any) -> Any:
    async with services.house.db.connection() as conn:
        return await conn.fetchval(sql, *arguments)


async def shipment_of(services: Services, story: str) -> int:
    index = next(at for at, (name, *_) in enumerate(seeded_shop.PLAN) if name == story)
    found: int = await value(services, "select id from shipment where tracking_number = $1", seeded_shop.number(index))
    return found


# what the pages say


async def test_the_first_line_says_what_is_true_now_and_the_next_what_to_do(board, shop_services):
    body = await text(board, "/console")
    open_now = await value(shop_services, "select count(*) from incident where state = 'open'")
    customers = await value(
        shop_services, "select count(*) from incident where state = 'open' and action_owner = 'recipient'"
    )

    (heading,) = (" ".join(one.split()) for one in re.findall(r"<h1[^>]*>(.*?)</h1>", body, re.DOTALL))
    assert heading.startswith(f"{open_now} open incidents, {customers} need the customer")
    assert "Look first at" in body
    assert body.index("Declared lost") < body.index("Snow and ice")  # the weightiest first


async def test_parcels_are_filtered_by_health_and_milestone_and_nonsense_filters_nothing(board):
    held = await text(board, "/console?health=held&milestone=in_customs")
    everything = await text(board, "/console?health=purple&milestone=';--&before=x")

    assert held.count('<tr id="shp_') == len(HELD)
    assert everything.count('<tr id="shp_') == len(seeded_shop.PLAN)


async def test_pages_of_parcels_show_each_parcel_once(board, monkeypatch):
    monkeypatch.setattr(today, "_MOST_PARCELS", 9)
    seen: list[str] = []
    path: str | None = "/console?health=on_track"
    while path:
        body = await text(board, path)
        seen += re.findall(r'<tr id="shp_(\d+)"', body)
        older = re.search(r'href="(/console\?before=[^"]+)"', body)
        path = older[1].replace("&amp;", "&") if older else None

    whole = re.findall(r'"shp_(\d+)"', await text(board, "/console?health=on_track"))
    assert len(seen) == len(set(seen)) > 40
    assert set(whole) <= set(seen)


async def test_one_parcel_is_a_chain_from_the_raw_payload_to_the_message(board, shop_services):
    shipment_id = await shipment_of(shop_services, "customs_documents")

    body = await text(board, f"/console/shipments/{shipment_id}")

    turn = next(one for one in body.split('<li class="turn ') if "CD42" in one)
    links = re.findall(r'href="(/console/[a-z]+/\d+)"', turn)
    assert [link.split("/")[2] for link in links] == ["observations", "incidents", "messages", "messages"]
    assert "rule carrier_stated, version" in turn
    assert "Documents missing" in turn
    for link in links:
        await text(board, link)


async def test_what_carriers_and_partners_send_is_shown_as_text(board, shop_services):
    shipment_id = await shipment_of(shop_services, "unmapped")
    pushed = await value(shop_services, "select id from observation where problem is not null")

    chain = await text(board, f"/console/shipments/{shipment_id}")
    payload = await text(board, f"/console/observations/{pushed}")

    assert "Evento &lt;b&gt;interno&lt;/b&gt; Q7X" in chain
    assert "no word for this code yet" in chain
    assert "&lt;b&gt;&#34;oops" in payload
    assert "<b>" not in re.sub(r"<b>(?=[A-Z])", "", payload)


async def test_a_payload_is_laid_out_and_can_be_seen_as_it_was_received(board, shop_services):
    observation = await value(
        shop_services, "select min(id) from observation where raw is not null and source = 'poll'"
    )
    raw = bytes(await value(shop_services, "select raw from observation where id = $1", observation)).decode()

    laid_out = await text(board, f"/console/observations/{observation}")
    as_received = await text(board, f"/console/observations/{observation}?as=received")

    assert raw.replace('"', "&#34;") in as_received
    assert raw.replace('"', "&#34;") not in laid_out
    assert "\n  &#34;events&#34;: [" in laid_out


async def test_an_incident_shows_its_rule_its_timeline_and_what_was_told(board, shop_services):
    incident = await value(shop_services, "select min(id) from incident where cause = 'documents_missing'")

    body = await text(board, f"/console/incidents/{incident}")

    for expected in ("carrier_stated", "Clearance delay: commercial invoice missing", "Opened", "Incident: first word"):
        assert expected in body


async def test_an_email_is_shown_in_a_frame_that_can_do_nothing(board, shop_services):
    message = await value(shop_services, "select min(id) from message where channel = 'email' and state = 'accepted'")

    page = await text(board, f"/console/messages/{message}")
    letter = await board.get(f"/console/messages/{message}/letter")

    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    assert "Message-ID" in page
    policy = letter.headers["Content-Security-Policy"]
    assert "sandbox allow-popups" in policy
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert "<html" in await letter.text()


async def test_an_sms_is_shown_with_its_parts_and_its_encoding(board, shop_services):
    message = await value(shop_services, "select min(id) from message where channel = 'sms' and state = 'accepted'")

    page = await text(board, f"/console/messages/{message}")

    assert 'class="bubble"' in page
    assert re.search(r"\d parts? · GSM-7 · \d+ characters", page)
    assert (await board.get(f"/console/messages/{message}/letter")).status == 404


async def test_the_inbox_is_filtered_by_channel_and_state(board, shop_services):
    texts = await value(shop_services, "select count(*) from message where channel = 'sms' and state = 'accepted'")

    body = await text(board, "/console/messages?channel=sms&state=accepted")

    assert body.count('<tr id="msg_') == texts > 0


async def test_quarantine_shows_all_that_is_in_doubt(board):
    body = await text(board, "/console/quarantine")

    for expected in ("events[0]", "the body is no JSON", "Q7X", "PK9999ES00000", "more than 500 events"):
        assert expected in body


async def test_a_paused_account_says_why_and_until_when(board):
    body = await text(board, "/console/carriers")

    assert "429 Too Many Requests" in body
    assert "in 14 min" in body


async def test_the_headline_counts_each_account_and_channel_that_is_not_in_order(board, shop_services):
    async with shop_services.house.db.connection() as conn:
        await conn.execute(
            "insert into channel_state (shop_id, channel, failures, because, changed_at)"
            " select id, 'sms', 3, 'told to', clock_timestamp() from shop limit 1"
        )
    body = await text(board, "/console/carriers")
    async with shop_services.house.db.connection() as conn:
        await conn.execute("delete from channel_state where because = 'told to'")

    headline, *tables = re.split(r'id="(?:accounts|channels)-title"', body)
    accounts, channels = (table.count('class="chip warn"') for table in tables)
    assert (accounts, channels) == (2, 1)  # one paused, one not set up
    assert "2 accounts cannot be asked as they should be. 1 channel is in trouble.</h1>" in headline


async def test_an_account_that_nobody_can_ask_says_what_it_lacks(board):
    body = await text(board, "/console/carriers")

    assert body.count("Only pushes are heard") == 1
    assert "its credentials are missing" in body


async def test_what_starves_is_the_headline_and_marked_in_its_row(board, shop_services):
    body = await text(board, "/console/health")

    assert "2 things starve." in body
    rows = re.findall(r'id="queue_(\w+)">.*?</tr>', body, re.DOTALL)
    marked = [
        row[1] for row in re.finditer(r'id="queue_(\w+)">((?:(?!</tr>).)*)', body, re.DOTALL) if "starves" in row[2]
    ]
    assert len(rows) == 6
    assert marked == ["polls", "undecided_shipments"]


async def test_stopped_sending_and_shadow_are_seen_on_every_page(board, shop_services):
    async with shop_services.house.db.connection() as conn:
        await access.turn_switch(conn, "stop_sending", engaged=True, by="test")
        assert "Sending is stopped" in await text(board, "/console/carriers")
        await access.turn_switch(conn, "stop_sending", engaged=False, by="test")
        await access.turn_switch(conn, "shadow", engaged=True, by="test")
        assert "Shadow: nothing is sent" in await text(board, "/console/carriers")
        await access.turn_switch(conn, "shadow", engaged=False, by="test")


@pytest.mark.parametrize("text_sought", ["pk0000 es00000", "PK0000ES00000"])
async def test_a_number_leads_to_its_parcel(board, shop_services, text_sought):
    shipment_id = await shipment_of(shop_services, "customs_documents")

    response = await board.get("/console/search", params={"q": text_sought}, allow_redirects=False)

    assert response.headers["Location"] == f"/console/shipments/{shipment_id}"


async def test_an_order_in_two_parcels_leads_to_both_and_nonsense_to_neither(board):
    assert (await text(board, "/console/search?q=1001")).count('<tr id="shp_') == 2
    assert "Nothing is called &lt;x&gt;." in await text(board, "/console/search?q=<x>")


@pytest.mark.parametrize(
    ("sought", "reference"),
    [
        ("carter", "1001"),
        ("emily  CART", "1001"),
        ("nunez beg", "1004"),
        ("núñez", "1004"),
        ("sw1a1", "1001"),
        ("SW1A 1AA", "1001"),
    ],
)
async def test_a_customer_or_a_postcode_leads_to_the_parcels(board, sought, reference):
    body = await text(board, f"/console/search?q={quote(sought)}")

    assert re.search(rf'class="row-link" href="/console/shipments/\d+">{reference}<', body)
    assert body.count('<tr id="shp_') < len(seeded_shop.PLAN) / 4


@pytest.mark.parametrize("sought", ["c", "carter & emily", "& | !", "<->", "%", "__", "carter:*", "x'y"])
async def test_signs_and_single_letters_search_for_nothing_but_words(board, sought):
    response = await board.get("/console/search", params={"q": sought})
    assert response.status == 200
    assert "carter" in sought or "Nothing is called" in await response.text()


async def test_whoever_may_not_see_names_cannot_search_by_them(site, shop_services):
    await site.get(await entry_link(shop_services.house, Role.VIEWER), allow_redirects=False)
    assert "Nothing is called" in await text(site, "/console/search?q=carter")
    by_postcode = await text(site, "/console/search?q=sw1a")
    assert by_postcode.count('<tr id="shp_') > 1
    assert "Carter" not in by_postcode


async def test_one_customer_has_all_their_parcels_and_messages(board, shop_services):
    mine = "select {} from shipment s join contact c on c.id = s.contact_id where c.name = 'Emily Carter'"
    contact = await value(shop_services, mine.format("min(c.id)"))
    count = await value(shop_services, mine.format("count(*)"))
    body = await text(board, f"/console/customers/{contact}")
    assert body.count('<tr id="shp_') == count > 1
    assert f"Emily Carter: {count} parcels," in " ".join(re.sub("<.*?>", "", body).split()).replace(" : ", ": ")
    told = await value(
        shop_services,
        "select count(*) from message m join notice n on n.id = m.notice_id join shipment s on s.id = n.shipment_id"
        " join contact c on c.id = s.contact_id where c.name = 'Emily Carter'",
    )
    assert body.count('<li id="msg_') == told > 1


async def test_the_board_speaks_the_language_of_the_browser(board):
    body = await text(board, "/console", **{"Accept-Language": "fr;q=0.9, es-MX;q=0.8, en;q=0.1"})

    assert '<html lang="es">' in body
    assert "incidencias abiertas" in body
    assert "Faltan documentos" in body


# how the pages behave


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_keeps_others_out_and_allows_no_inline_script(board, path):
    response = await board.get(f"/console{path}")

    policy = response.headers["Content-Security-Policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert response.headers["Cache-Control"] == "no-store"
    body = await response.text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son[a-z]+=|\sstyle=", body)
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', body) == []


async def test_a_page_on_screen_gets_only_what_changes(board):
    fragment = await text(board, "/console", **{"HX-Request": "true"})

    assert "<html" not in fragment
    assert '<div id="live"' in fragment
    assert 'id="status"' in fragment
    assert 'id="live"' in await text(board, "/console")


@pytest.mark.parametrize("id_", ["abc", "0", "-1", "9" * 19, "9" * 40, "٣", "1%00"])
@pytest.mark.parametrize("kind", ["shipments", "incidents", "observations", "messages"])
async def test_an_id_that_nothing_has_is_not_found(board, kind, id_):
    response = await board.get(f"/console/{kind}/{id_}")

    assert response.status == 404
    assert "There is nothing at this address" in await response.text()


async def test_the_number_of_statements_does_not_grow_with_what_there_is_to_show(
    shop_services: Services, database: Database, aiohttp_client: Callable[..., Any]
):
    async def statements(services: Services, path: str) -> list[str]:
        counted_services, counted = counting(services)
        client = await aiohttp_client(make_app(counted_services))
        await client.get(await entry_link(services.house))
        counted.statements.clear()
        assert (await client.get(path)).status == 200
        return counted.statements

    empty = seeded_shop.services_of(seeded_shop.open_house(database, seeded_shop.NOW))
    async with database.connection() as conn:
        await seeded_shop.add_shop(conn)
    for path in (
        "/console",
        "/console/incidents",
        "/console/shipments",
        "/console/messages",
        "/console/quarantine",
        "/console/carriers",
    ):
        assert await statements(shop_services, path) == await statements(empty, path), path
    parcels = [await shipment_of(shop_services, story) for story in ("silent", "stalled", "customs_released")]
    chains = [await statements(shop_services, f"/console/shipments/{one}") for one in parcels]
    assert chains[0] == chains[1] == chains[2]


async def test_the_board_reads_and_never_writes(board, shop_services, aiohttp_client):
    counted_services, counted = counting(shop_services)
    client = await aiohttp_client(make_app(counted_services))
    await client.get(await entry_link(shop_services.house), allow_redirects=False)
    counted.statements.clear()
    shipment_id = await shipment_of(shop_services, "customs_documents")

    for path in (*PAGES, f"/shipments/{shipment_id}"):
        await client.get(f"/console{path}")

    assert counted.statements
    assert [one for one in counted.statements if not re.match(r"\(?(select|with)\b", one)] == []


async def test_files_are_cached_for_as_long_as_they_stay_the_same(board):
    body = await text(board, "/console")

    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', body):
        response = await board.get(address)
        assert response.status == 200
        assert "immutable" in response.headers["Cache-Control"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert (await board.get("/static/../templating.py")).status == 404
    assert (await board.get("/static/%2e%2e/templating.py")).status == 404
