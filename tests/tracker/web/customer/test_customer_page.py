import re
from datetime import timedelta

import pytest

from tests.support import seeded_shop
from tests.support.seeded import Site, link_of
from tests.support.statements import counting
from tracker.clock import SteppedClock
from tracker.vault import hash_token
from tracker.web.app import make_app

CUSTOMS, RETURNING, WITH_A_SIBLING = 0, 10, 15


async def text(site: Site, path: str, **headers: str) -> str:
    response = await site.get(path, headers=headers)
    assert response.status == 200
    return await response.text()


def first_line(body: str) -> str:
    (heading,) = re.findall(r"<h1[^>]*>(.*?)</h1>", body, re.DOTALL)
    return " ".join(heading.split())


async def test_it_says_what_is_true_what_it_means_and_when_we_write_next(site, shop_services):
    body = await text(site, await link_of(shop_services, CUSTOMS) + "?lang=es")

    assert first_line(body) == "La aduana necesita documentos para su pedido"
    for expected in ("Su pedido 1001 está retenido en la aduana", "Qué puede hacer usted", "Qué estamos haciendo",
                     "Volveremos a escribirle", "La aduana necesita un documento", "London"):  # fmt: skip
        assert expected in body


async def test_it_keeps_the_promises_of_a_capability_link(site, shop_services):
    response = await site.get(await link_of(shop_services, CUSTOMS))

    expected = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow, noarchive",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    assert {name: response.headers.get(name) for name in expected} == expected
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    body = await response.text()
    assert not re.search(r"<script|<form|\sstyle=|\son[a-z]+=", body)
    loaded = re.findall(r'<(?:link|img|script|iframe)[^>]*(?:src|href)="([^"]*)"', body)
    assert [address for address in loaded if not address.startswith("/static/")] == []


@pytest.mark.parametrize("index", [CUSTOMS, RETURNING, WITH_A_SIBLING])
async def test_nothing_says_who_the_customer_is_or_where_they_live(site, shop_services, index):
    customer = seeded_shop.CUSTOMERS[seeded_shop.PLAN[index][1]]

    body = await text(site, await link_of(shop_services, index))

    personal = [*customer.name.split(), "@mail.example", "Calle Mayor", customer.postcode, customer.phone or "+34612"]
    assert [one for one in personal if one in body] == []


async def test_the_carriers_own_codes_and_texts_stay_inside(site, shop_services):
    body = await text(site, await link_of(shop_services, CUSTOMS))

    assert [one for one in ("CD42", "Clearance delay", "Prerregistrado", "carrier_stated") if one in body] == []


async def test_links_that_open_nothing_are_answered_alike(site, shop_services):
    good = await link_of(shop_services, 40)
    async with shop_services.house.db.connection() as conn:
        hashed = hash_token(good.removeprefix("/t/"))
        await conn.execute("update capability set revoked_at = $2 where token_hash = $1", hashed, seeded_shop.NOW)
    wrong = ["/t/AAAAAAAAAAAAAAAAAAAAAA", "/t/x", f"/t/{'y' * 5000}", "/t/%F0%9F%8E%81", "/t/..%2Fconsole", good]

    answers = [await site.get(path) for path in wrong]

    bodies = {await one.text() for one in answers}
    its_own = {"date", "x-request-id"}
    headers = {tuple(sorted(pair for pair in one.headers.items() if pair[0].lower() not in its_own)) for one in answers}
    assert ({one.status for one in answers}, len(bodies)) == ({404}, 1)
    assert len(headers) == 1, headers
    async with shop_services.house.db.connection() as conn:
        await conn.execute("update capability set revoked_at = null where token_hash = $1", hashed)
    assert (await site.get(good)).status == 200


async def test_a_link_ends_ninety_days_after_the_journey(site, shop_services):
    clock = shop_services.house.clock
    assert isinstance(clock, SteppedClock)
    delivered, under_way = await link_of(shop_services, WITH_A_SIBLING), await link_of(shop_services, CUSTOMS)

    clock.move_to(seeded_shop.NOW + timedelta(days=91))

    assert (await site.get(delivered)).status == 404
    assert (await site.get(under_way)).status == 200


async def test_looking_changes_nothing_and_takes_the_same_statements_for_every_parcel(shop_services, aiohttp_client):
    services, counted = counting(shop_services)
    client = await aiohttp_client(make_app(services))
    seen = []
    for path in [await link_of(shop_services, index) for index in (CUSTOMS, WITH_A_SIBLING, 13)] + ["/t/nothing"]:
        counted.statements.clear()
        await client.get(path)
        seen.append(list(counted.statements))

    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == 4
    assert seen[3] == seen[0][:1]
    assert [one for one in seen[0] if not one.startswith("select")] == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_there_is_nothing_to_do_on_it(site, shop_services, method):
    response = await site.request(method, await link_of(shop_services, CUSTOMS))

    assert response.status == 405


@pytest.mark.parametrize(
    ("index", "query", "accepted", "spoken"),
    [
        (6, "", "en", "es"),  # the customer's own
        (CUSTOMS, "", "es", "en"),
        (CUSTOMS, "?lang=es", "en", "es"),  # asked for on the page
        (CUSTOMS, "?lang=tlh", "es", "en"),  # nobody speaks it
    ],
)
async def test_it_speaks_the_customers_language_unless_asked_for_another(
    site, shop_services, index, query, accepted, spoken
):
    path = await link_of(shop_services, index)

    body = await text(site, f"{path}{query}", **{"Accept-Language": accepted})

    assert f'<html lang="{spoken}"' in body


async def test_a_language_without_a_catalogue_falls_back_to_the_browsers_and_then_the_shops(site, shop_services):
    path = await link_of(shop_services, 5)
    async with shop_services.house.db.connection() as conn:
        contact = (
            "update contact set language = $1 where id = (select contact_id from shipment where tracking_number = $2)"
        )
        await conn.execute(contact, "fi", seeded_shop.number(5))

    assert '<html lang="en"' in await text(site, path, **{"Accept-Language": "fi, en"})
    assert '<html lang="es"' in await text(site, path, **{"Accept-Language": "fi"})


async def test_the_other_parcels_of_the_order_are_named_with_their_state_but_not_opened(site, shop_services):
    body = await text(site, await link_of(shop_services, WITH_A_SIBLING))

    assert "Este paquete de su pedido 1001 está entregado." in body
    assert "Otros paquetes de este pedido" in body
    assert seeded_shop.number(CUSTOMS) in body
    assert (await link_of(shop_services, CUSTOMS)).removeprefix("/t/") not in body


async def test_it_leads_to_the_shop_and_to_the_carriers_own_page(site, shop_services):
    body = await text(site, await link_of(shop_services, RETURNING))

    number = seeded_shop.number(RETURNING)
    assert f'href="https://carrier.example/correos?n={number}"' in body
    assert 'href="mailto:atencion@alameda.example?subject=Pedido%201011"' in body
    assert 'href="tel:+34910000000"' in body


async def test_a_parcel_that_nobody_has_heard_of_yet_says_so(site, shop_services):
    body = await text(site, await link_of(shop_services, 13))

    assert "is being prepared" in first_line(body)
    assert "The carrier has not told us anything yet" in body
