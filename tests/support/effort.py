"""How hard the properties are tried: quickly in each run, long in `make campaign` (TEST_EFFORT=campaign)."""

import os

from hypothesis import HealthCheck, settings

# No deadline: how long one example takes says more about the machine's other work than about the code.
settings.register_profile("quick", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("campaign", settings.get_profile("quick"), max_examples=3000, print_blob=True)


def pytest_configure() -> None:
    settings.load_profile(os.environ.get("TEST_EFFORT", "quick"))
