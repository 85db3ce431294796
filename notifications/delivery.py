"""Sends what is due on every channel, each at its own pace; any number of processes may do so side by side."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from notifications.contract import Channel, Links
from notifications.house import Chance, Clock, Database, House
from notifications.lane import Lane, Pause
from notifications.policy import Rules

_LEASE = timedelta(seconds=60)


class Delivered(msgspec.Struct, frozen=True):
    """What a run did: messages by the state that they are in now (`queued`: once more later), failures by class.

    `pauses` are those that began in this run, `surprises` exceptions that no channel should raise: both for the
    caller's log.
    """

    states: Mapping[str, int]
    failures: Mapping[str, int]
    pauses: Sequence[Pause]
    surprises: Sequence[Exception]


class Delivery:
    """The sender over the channels that are set up. Due times are the clock's, leases the database's."""

    def __init__(
        self,
        db: Database,
        channels: Sequence[Channel],
        *,
        links: Links,
        clock: Clock,
        chance: Chance,
        rules: Rules | None = None,
        lease: timedelta = _LEASE,
    ) -> None:
        self._channels = tuple(channels)
        self._house = House(db, links, clock, chance, rules or Rules(), lease)
        self._running: set[Lane] = set()
        self._stopping = False

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels that are set up."""
        return tuple(channel.name for channel in self._channels)

    async def use(self, channel: str, instead: Channel | None) -> None:
        """This channel in the place of the one of this name, or none any more; to be called while no run of it is on."""
        replaced = [one for one in self._channels if one.name == channel]
        self._channels = (*(one for one in self._channels if one.name != channel), *([instead] if instead else []))
        for one in replaced:
            await one.close()

    async def deliver_due(self, channel: str | None = None) -> Delivered:
        """Sends until nothing is due, on all channels or on one; runs of different channels may overlap.

        A channel in trouble does not hold up the others; its exception is raised at the end.
        """
        lanes = [Lane(self._house, one) for one in self._channels if channel in (None, one.name)]
        for lane in lanes:
            lane.stopping = self._stopping
        self._running.update(lanes)
        try:
            ends = await asyncio.gather(*(lane.run() for lane in lanes), return_exceptions=True)
        finally:
            self._running.difference_update(lanes)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        return Delivered(
            states=sum((lane.states for lane in lanes), Counter()),
            failures=sum((lane.failures for lane in lanes), Counter()),
            pauses=[pause for lane in lanes for pause in lane.pauses],
            surprises=[surprise for lane in lanes for surprise in lane.surprises],
        )

    def stop(self) -> None:
        """Nothing more is begun; runs give back what they have claimed, finish what they have begun, and return."""
        self._stopping = True
        for lane in self._running:
            lane.stopping = True

    async def close(self) -> None:
        """Closes the channels; after `stop`, and after the last run has returned."""
        for channel in self._channels:
            await channel.close()
