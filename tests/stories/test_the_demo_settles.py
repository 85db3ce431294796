"""The first story: `tracker demo --until-settled --json` as a user runs it, to the end, with nothing gone wrong."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.ports import free_port

SEEDS = ["1", "2", "3", "autumn"] if os.environ.get("TEST_EFFORT") == "campaign" else ["1"]


@pytest.fixture(scope="module", params=SEEDS)
def summary(request: pytest.FixtureRequest) -> dict[str, Any]:
    command = [sys.executable, "-m", "tracker", "demo", "--until-settled", "--json"]
    command += [f"--port={free_port()}", f"--seed={request.param}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:] or done.stdout[-3000:]
    document: dict[str, Any] = json.loads(done.stdout)  # one document and nothing else
    return document


def test_nothing_goes_wrong(summary: dict[str, Any]):
    assert summary["violations"] == []


def test_every_parcel_reaches_an_end(summary: dict[str, Any]):
    assert set(summary["shipments"]) == {"delivered", "returned", "ended"}
    assert sum(summary["shipments"].values()) >= 60


def test_customs_weather_and_delay_become_incidents_and_all_are_closed(summary: dict[str, Any]):
    assert {"customs", "weather", "delay", "loss", "return"} <= {row["category"] for row in summary["incidents"]}
    assert {row["state"] for row in summary["incidents"]} <= {"closed", "merged"}


def test_whoever_watches_soon_sees_mails_about_customs_weather_and_delay(summary: dict[str, Any]):
    """At the usual pace sixty of its hours pass within minutes."""
    soon = datetime.fromisoformat(summary["from"]) + timedelta(hours=60)
    seen = {category for category, at in summary["first_mails"].items() if datetime.fromisoformat(at) <= soon}
    assert {"customs", "weather", "delay"} <= seen


def test_customers_hear_of_it_by_mail_and_sms_in_two_languages(summary: dict[str, Any]):
    told = {(row["channel"], row["language"]) for row in summary["notices"] if row["kind"] == "incident_opened"}
    assert {("email", "es"), ("email", "en"), ("sms", "es"), ("sms", "en")} <= told
    assert summary["accepted"]["email"] == sum(row["count"] for row in summary["notices"] if row["channel"] == "email")
