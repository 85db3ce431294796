import re

import pytest

from carriers.vocabulary import CAUSES, Category
from tracker.domain.cause import TABLE, Reach

ALL = [(category, cause) for category, causes in CAUSES.items() for cause in causes]
CODE = re.compile(r"[a-z]+(_[a-z]+)*")


def test_every_cause_of_the_vocabulary_has_its_row_and_no_other():
    assert set(TABLE) == set(ALL)


@pytest.mark.parametrize(("category", "cause"), ALL)
def test_a_cause_says_who_acts_what_until_when_and_what_happens_otherwise(category, cause):
    row = TABLE[category, cause]
    assert row.responsible in {"carrier", "shop", "recipient", "authority", "nature", "platform"}
    assert row.owner in {"carrier", "shop", "recipient", "authority", "platform"}
    assert CODE.fullmatch(row.action)
    assert CODE.fullmatch(row.otherwise)
    assert 1 <= row.harm <= 5
    assert 0 < row.days <= 5


@pytest.mark.parametrize(("category", "cause"), ALL)
def test_data_and_routing_never_reach_customers_and_all_else_does(category, cause):
    ours_alone = category in (Category.DATA, Category.ROUTING)
    assert (TABLE[category, cause].reach is Reach.CUSTOMER) is not ours_alone


def test_what_the_recipient_must_do_is_asked_of_the_recipient():
    for cause in ("documents_missing", "recipient_id_needed", "duties_unpaid"):
        assert TABLE[Category.CUSTOMS, cause].owner == "recipient"
