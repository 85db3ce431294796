"""The same house as the actions have."""

from tests.tracker.actions.conftest import scene

__all__ = ["scene"]
