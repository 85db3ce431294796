"""What handlers work with; made once by bootstrap and kept in the application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import web

from tracker.actions.deciding import House
from tracker.actions.group_commit import GroupCommit
from tracker.actions.intake import Observation, Taken
from tracker.actions.trial import Trials
from tracker.settings import Settings
from tracker.web.peer import Network


class Services(msgspec.Struct, frozen=True):
    """`public_url` is how the outside reaches us, without a slash at its end, through `trusted_proxies`, if any.

    `api_calls_per_minute` is what one API key may call, in one process.
    """

    house: House
    pushes: GroupCommit[Observation, Taken]
    public_url: str
    is_stopping: Callable[[], bool]
    trusted_proxies: tuple[Network, ...] = ()
    settings: Settings = Settings()
    trials: Trials | None = None  # where accounts can be tried out
    refresh_accounts: Callable[[], Awaitable[int]] | None = None  # so that what was changed is used at once
    api_calls_per_minute: int = 600

    def tracking_url(self, shipment_id: int, link_version: int) -> str:
        """The customer's page of a shipment."""
        return f"{self.public_url}/t/{self.house.vault.link_token(shipment_id, link_version)}"


SERVICES: Final = web.AppKey("services", Services)
