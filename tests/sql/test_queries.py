from pathlib import Path

import pytest

from sql import queries
from sql.queries import QueryError

GOOD = """\
-- Incidents, by shipment.

-- name: open_incidents(shipment_ids, now)
-- Incidents of these shipments that are still open. [index: incident_open]
select id, 'costs $3; --' as note -- $4 is not a parameter
from incident /* nor is $5; */
where shipment_id = any($1) and opened_at <= $2 and body = $tag$ $6; $tag$

-- name: count_all()
-- How many there are.
select count(*) from incident
"""


def write(folder: Path, text: str) -> Path:
    (folder / "incident.sql").write_text(text)
    return folder


def test_a_query_is_the_text_of_its_file_exactly_as_written(tmp_path: Path) -> None:
    loaded = queries.load(write(tmp_path, GOOD))

    assert list(loaded) == ["incident.open_incidents", "incident.count_all"]
    query = loaded["incident.open_incidents"]
    assert query.parameters == ("shipment_ids", "now")
    assert query.purpose == "Incidents of these shipments that are still open. [index: incident_open]"
    assert query.index == "incident_open"
    assert query.sql in GOOD
    assert query.sql.startswith("select id, 'costs $3; --'")
    assert query.sql.endswith("$tag$ $6; $tag$")
    assert loaded["incident.count_all"].index is None


def test_a_topic_gives_the_text_by_name_and_names_the_others_when_asked_for_one_it_lacks(tmp_path: Path) -> None:
    incident = queries.topic("incident", write(tmp_path, GOOD))

    assert incident.count_all == "select count(*) from incident"
    with pytest.raises(
        QueryError, match=r"no query 'open_incident' in incident\.sql; it has count_all, open_incidents"
    ):
        _ = incident.open_incident
    with pytest.raises(QueryError, match="no topic 'incidents'; there are incident"):
        queries.topic("incidents", tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-- name: a()\n-- A.\nselect 1\n\n-- name: a()\n-- A.\nselect 2\n", "incident.sql:5: a is defined twice"),
        ("-- name: a()\nselect 1\n", "incident.sql:1: a needs a line"),
        ("-- name: a()\n", "incident.sql:1: a needs a line"),
        ("\n-- name: a()\n-- A.\n-- nothing else\n", "incident.sql:2: a has no SQL"),
        ("-- name: a(x, y)\n-- A.\nselect $1\n", r"a declares 2 parameters \(x, y\) but its text uses \$1"),
        ("-- name: a(x)\n-- A.\nselect $1, $2\n", r"a declares 1 parameters \(x\) but its text uses \$1, \$2"),
        ("-- name: a(x)\n-- A.\nselect '$1'\n", "but its text uses none"),
        ("-- name: a(x, x)\n-- A.\nselect $1, $2\n", "a names a parameter twice"),
        ("-- name: a()\n-- A.\nselect 1;\n", "a must be one statement without a semicolon"),
        ("-- name: a()\n-- A.\nselect 1; select 2\n", "a must be one statement without a semicolon"),
        ("-- name: A()\n-- A.\nselect 1\n", r"expected `-- name: the_name\(first, second\)`, found '-- name: A\(\)'"),
        ("-- name: a\n-- A.\nselect 1\n", "incident.sql:1: expected `-- name:"),
        ("select 1\n-- name: a()\n-- A.\nselect 1\n", "incident.sql:1: SQL before the first"),
        ("select 1\n", "incident.sql:1: SQL before the first"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint):
        queries.load(write(tmp_path, text))
