import tracemalloc
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers import place
from carriers.place import Located, country_of, locate, offset_of, split_place


@pytest.mark.parametrize(
    ("text", "city", "country"),
    [
        ("MEXICO CITY - MEXICO", "MEXICO CITY", "MX"),
        ("MANILA - PHILIPPINES, THE", "MANILA", "PH"),
        ("HONG KONG - HONG KONG SAR, CHINA", "HONG KONG", "HK"),
        ("NEW YORK,NY-USA", "NEW YORK, NY", "US"),
        ("Whittier, CA, US", "Whittier, CA", "US"),
        ("HEATHROW, GB", "HEATHROW, GB", None),
        ("Deutschland", None, "DE"),
        ("Países Bajos", None, "NL"),
        ("ATLANTA, GA", "ATLANTA, GA", None),
        ("Oderweg 2, AMSTERDAM", "Oderweg 2, AMSTERDAM", None),
        ("", None, None),
    ],
)
def test_a_place_text_is_taken_apart(text: str, city: str | None, country: str | None) -> None:
    assert split_place(text) == (city, country)
    assert country_of(text) == country


@pytest.mark.parametrize(
    ("where", "zone", "settled"),
    [
        (("GB", "London"), "Europe/London", True),
        (("DE", "Hamm"), "Europe/Berlin", True),
        (("MX", "MEXICO CITY"), "America/Mexico_City", True),
        (("MX", "TIJUANA"), "America/Tijuana", True),
        (("US", "Louisville"), "America/Kentucky/Louisville", True),
        (("US", "Nowhere"), "America/New_York", False),
        (("US", "Nowhere", "CA"), "America/Los_Angeles", True),
        (("US", "Whittier, CA, US"), "America/Los_Angeles", True),
        (("ES", "LAS PALMAS"), "Atlantic/Canary", True),
        (("ES", "Nowhere", None, "38001"), "Atlantic/Canary", True),
        (("ES", "Nowhere", None, "28001"), "Europe/Madrid", True),
        (("ES", "Nowhere"), "Europe/Madrid", False),
        (("CA", None, "BC"), "America/Vancouver", True),
        (("AU", None), "Australia/Sydney", False),
        ((None, "PARIS - FRANCE"), "Europe/Paris", True),
    ],
)
def test_a_place_has_the_zone_of_its_country_region_postcode_or_city(
    where: tuple[str | None, ...], zone: str, *, settled: bool
) -> None:
    assert locate(*where) == Located(zone, settled)


@pytest.mark.parametrize("where", [(None, None), ("XX", "Nowhere"), (None, "Nowhere"), ("", "")])
def test_an_unknown_country_has_no_zone(where: tuple[str | None, str | None]) -> None:
    assert locate(*where) is None


def test_an_abbreviation_that_means_two_things_is_not_read() -> None:
    assert offset_of("cest") == 120
    assert offset_of("EST") == -300
    assert offset_of("IST") is None


def test_every_zone_that_the_tables_name_exists() -> None:
    known = place._gazetteer()
    named = {
        zone
        for table in (known.names, known.regions, known.postcodes)
        for zones in table.values()
        for zone in zones.values()
    }
    for zone in named | {zone for zones in known.zones.values() for zone in zones}:
        assert ZoneInfo(zone).key
    assert set(known.countries.values()) <= set(known.zones) | {"BV", "HM"}, "a name leads to a country without a zone"


def test_all_that_is_known_of_places_fits_into_a_megabyte() -> None:
    place._gazetteer.cache_clear()
    tracemalloc.start()
    try:
        place._gazetteer()
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


@given(st.text(max_size=60), st.none() | st.text(max_size=3))
def test_any_text_is_a_place_or_none(city: str, country: str | None) -> None:
    located = locate(country, city)
    assert located is None or ZoneInfo(located.zone).key
