"""Lines to carriers: one per account, out of the settings and of what is kept in the console; made anew when that changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import aiohttp

from carriers.contract import Account, Adapter, Card
from carriers.http import CarrierHttp
from tracker.actions import accounts
from tracker.actions.deciding import House
from tracker.actions.permit import Permit
from tracker.actions.poll import Line
from tracker.settings import CarrierSettings, Settings, SettingsWrong
from tracker.store import shops

COMMON: Final = frozenset({"base_url", "auth_url", "calls_per_day", "spacing"})  # settings that every carrier takes
LineKey = tuple[int, str, str]  # shop, carrier, account


class Lines:
    """`open` holds the lines that there are; whoever looks into it sees those of today."""

    def __init__(
        self,
        settings: Settings,
        shop_id: int,
        house: House,
        adapters: Mapping[str, Adapter],
        session: aiohttp.ClientSession,
        reachable: dict[str, list[str]],
    ) -> None:
        """`reachable` is filled with the names of the accounts by carrier: the house's own."""
        self.open: dict[LineKey, Line] = {}
        self._settings, self._shop_id, self._house = settings, shop_id, house
        self._adapters, self._session, self._reachable = adapters, session, reachable
        self._seen: str | None = None

    async def refresh(self) -> int:
        """Look whether accounts have changed since the last time. Raises SettingsWrong for one that is not complete."""
        house = self._house
        async with house.db.connection() as conn:
            version = await accounts.version(conn, self._shop_id)
            if version == self._seen:
                return 0
            settings = accounts.merged(self._settings, await accounts.load(conn, house.vault, self._shop_id))
            made = self._made(settings)
            await shops.ensure_accounts(conn, list(made))
        self.open.clear()
        self.open.update(made)
        self._reachable.clear()
        for _, carrier, name in made:
            self._reachable.setdefault(carrier, []).append(name)
        self._seen = version
        return 0

    def _made(self, settings: Settings) -> dict[LineKey, Line]:
        mistakes: list[str] = []
        made = {}
        for one in settings.carriers:
            missing = missing_settings(one, self._adapters[one.carrier].card)
            if missing and has_credentials(one):
                mistakes.append(f"carriers.{one.carrier}: account {one.account} needs {', '.join(missing)}")
            elif not missing:
                made[self._shop_id, one.carrier, one.account] = self._line(one)
        if mistakes:
            raise SettingsWrong(mistakes)
        return made

    def _line(self, configured: CarrierSettings) -> Line:
        adapter, values, house = self._adapters[configured.carrier], configured.values, self._house
        card = adapter.card
        account = Account(
            shop=self._settings.shop.code,
            carrier=card.code,
            name=configured.account,
            base_url=values.get("base_url", card.base_url).rstrip("/"),
            auth_url=values.get("auth_url", card.auth_url),
            values={name: value for name, value in values.items() if name not in COMMON},
        )
        key = (self._shop_id, card.code, configured.account)
        calls_per_day = int(values["calls_per_day"]) if "calls_per_day" in values else card.calls_per_day
        spacing = float(values.get("spacing", card.spacing))
        permit = Permit(house.db, house.clock, key, calls_per_day, spacing)
        http = CarrierHttp(self._session, card.code, house.clock, house.chance, permit=permit, now=house.clock.now)
        return Line(adapter=adapter, client=adapter.connect(account, http, house.clock), spacing=spacing)


def missing_settings(account: CarrierSettings, card: Card) -> list[str]:
    """The credentials that this account's carrier asks for and that are not given."""
    return [name for name in card.settings if name not in account.values]


def has_credentials(account: CarrierSettings) -> bool:
    """Whether there is more than what every carrier takes; an address alone waits for its account from the console."""
    return bool(_own(account.values))


def _own(values: Collection[str]) -> set[str]:
    return set(values) - COMMON
