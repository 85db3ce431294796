from datetime import UTC, datetime, timedelta

import pytest

from tracker.web.moments import Time
from tracker.web.words import language

NOW = datetime(2026, 11, 23, 9, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("away", "english", "spanish"),
    [
        (timedelta(seconds=30), "now", "ahora"),
        (timedelta(minutes=35), "in 35 minutes", "dentro de 35 minutos"),
        (timedelta(minutes=-89), "89 minutes ago", "hace 89 minutos"),
        (timedelta(hours=2, minutes=59), "in 2 hours", "dentro de 2 horas"),
        (timedelta(hours=-35), "35 hours ago", "hace 35 horas"),
        (timedelta(days=3, hours=5), "in 3 days", "dentro de 3 días"),
    ],
)
def test_time_is_told_in_words(away, english, spanish):
    for code, expected in (("en", english), ("es", spanish)):
        assert Time(language(code)).relative(NOW + away, NOW, "long") == expected


def test_the_exact_moment_names_its_zone():
    time = Time(language("en"))

    assert time.exact(NOW, "Europe/Madrid") == "Monday, 23 November 2026, 10:20 CET"
    assert time.exact(NOW, "America/Sao_Paulo") == "Monday, 23 November 2026, 06:20 UTC-03:00"
    assert time.iso(NOW) == "2026-11-23T09:20:00Z"


def test_a_span_that_ends_at_midnight_ends_with_the_day_before():
    midnight = datetime(2026, 11, 25, 23, tzinfo=UTC)  # in Madrid

    assert Time(language("en")).last_day(midnight, "Europe/Madrid") == "Wed 25 Nov"
