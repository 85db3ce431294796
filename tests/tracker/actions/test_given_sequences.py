"""The given sequences of polls, through the intake and a real database (read in place)."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carriers import registry
from carriers.contract import Answer
from tests.tracker.actions.conftest import Scene
from tracker.domain.shipment import Belief

SEQUENCES = Path(__file__).parents[4] / "shared" / "data" / "carriers" / "_sequences"
AFTER_THE_LAST_SCAN = datetime(2026, 3, 4, 10, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not SEQUENCES.exists(), reason="the given bodies are not beside this repository")


async def everything_goes_out(scene: Scene) -> None:
    await scene.value("update message set state = 'accepted', due_at = null where state = 'queued'")
    await scene.value("update notice set state = 'sent' where state = 'planned'")


async def test_a_scan_whose_time_the_carrier_corrects_is_told_to_the_customer_once(scene: Scene):
    sequence = SEQUENCES / "correos_corrected_time"
    correos = registry.adapter("correos")
    scene.house = msgspec.structs.replace(scene.house, cards={"correos": correos.card})
    shipment_id = await scene.registers("PQ4F6P0712345670128009Z", carrier="correos")
    scene.clock.move_to(AFTER_THE_LAST_SCAN)
    told: list[list[str]] = []
    for step in msgspec.json.decode((sequence / "expected.json").read_bytes())["steps"]:
        raw = (sequence / step["body_file"]).read_bytes()
        [report] = correos.parse(Answer(200, "application/json", raw))
        for repeated in (False, True, True):  # what it says now it says at every poll; the old time is gone for good
            taken = await scene.asks(shipment_id, *report.events, carrier="correos", raw=raw)
            assert repeated or taken.new_events in accepted(step, "new_event_count")
            assert not repeated or taken.new_events == 0
            await everything_goes_out(scene)
            await scene.passes(minutes=31)
        assert (await scene.shipment(shipment_id))["milestone"] == step["milestone"]
        assert await scene.value("select count(*) from event") in accepted(step, "total_distinct_events")
        assert await scene.incidents(shipment_id) == []
        told.append(await scene.notices(shipment_id))

    assert told[0] == told[1]
    assert told[0].count("out_for_delivery") == 1
    times = await scene.rows(
        "select occurred_at, withdrawn_at from event where milestone = 'out_for_delivery' order by id"
    )
    assert [(row["occurred_at"].minute, row["withdrawn_at"] is None) for row in times] == [(1, False), (51, True)]
    belief = msgspec.json.decode((await scene.shipment(shipment_id))["belief"], type=Belief)
    assert belief.since == datetime(2026, 3, 4, 7, 51, tzinfo=UTC)


def accepted(step: dict[str, Any], field: str) -> list[Any]:
    return [step[field], *step.get("also_acceptable", {}).get(field, [])]
