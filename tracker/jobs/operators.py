"""Telling the operators: a plain mail by the shop's own relay, and a line of JSON to an address of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import aiohttp
import msgspec

from notifications.contract import Channel, Sender, SendFailed
from notifications.plain import plain_mail
from tracker.clock import Clock
from tracker.domain.starvation import Alarm
from tracker.jobs.watch import NobodyReached
from tracker.vault import new_token

_PATIENCE: Final = 10.0  # seconds
_MEANS: Final = {
    "queue.examinations": "parcels are not looked at in time: is a process with --role work running, and fast enough?",
    "queue.messages": "messages do not go out: look at the relay and the SMS account on the carriers page",
    "queue.polls": "carriers are not asked in time: accounts may be paused, or their calls of the day be spent",
    "queue.quarantine": "what could not be read waits for a person",
    "queue.unclaimed_reports": "pushes speak of numbers that nobody has registered: is the shop's registration running?",
    "queue.undecided_shipments": "a mistake of ours keeps parcels from being decided; the log has it",
}


class Operators(msgspec.Struct, frozen=True):
    """How they are reached; without an address and without a URL they are not."""

    clock: Clock
    console: str  # the address of the page about the service's health
    email: str | None
    webhook: str | None
    sender: Sender
    relay: Channel | None

    async def tell(self, alarms: Sequence[Alarm]) -> None:
        """Tell them by every way that is given. Raises NobodyReached where one of them fails."""
        ways = []
        if self.email and self.relay:
            ways.append(self._mail(self.relay, self.email, alarms))
        if self.webhook:
            ways.append(self._post(self.webhook, alarms))
        try:
            await asyncio.gather(*ways)
        except (SendFailed, aiohttp.ClientError, OSError) as failure:
            raise NobodyReached(type(failure).__name__) from failure

    async def _mail(self, relay: Channel, address: str, alarms: Sequence[Alarm]) -> None:
        subject = f"Delivery tracker: {', '.join(alarm.name for alarm in alarms[:3])}"
        text = f"{words(alarms)}\n\n{self.console}\n\nYou hear of each of these once, when it begins.\n"
        mail = plain_mail(
            self.sender, address, subject, text, reference="alarm", token=new_token(), at=self.clock.now()
        )
        await relay.send(mail)

    async def _post(self, url: str, alarms: Sequence[Alarm]) -> None:
        said = {"type": "service.alarm", "timestamp": self.clock.now(), "text": words(alarms), "alarms": alarms}
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.post(
                url, data=msgspec.json.encode(said), headers={"Content-Type": "application/json"}, allow_redirects=False
            ) as answer,
        ):
            answer.raise_for_status()


def words(alarms: Sequence[Alarm]) -> str:
    """What starves, a line for each: "queue.messages: 12 wait, the oldest for 0:45:00 - messages do not go out ..." """
    return "\n".join(_line(alarm) for alarm in alarms)


def _line(alarm: Alarm) -> str:
    numbers = (
        f"{alarm.failures} failures in a row" if alarm.failures else f"{alarm.rows} wait, the oldest for {alarm.age}"
    )
    means = _MEANS.get(alarm.name, "it is left alone for a while; the carriers page says why")
    return f"{alarm.name}: {numbers} - {means}"
