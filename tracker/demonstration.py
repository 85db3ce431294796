"""The command `demo`: the whole service on its stage, live or played to its end at once, and nothing left of it after."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from tracker import bootstrap, listening, premises
from tracker.actions import access, people
from tracker.actions.audit import AT_THE_MACHINE
from tracker.bootstrap import Runtime
from tracker.clock import AcceleratedClock, Chance, Clock, SteppedClock
from tracker.commands import WRITE, UsedWrongly, entry_link, say
from tracker.domain.staff import Role
from tracker.settings import Settings
from tracker.simulation import demo as stage
from tracker.simulation.shop import Access, Shop, partners_of
from tracker.simulation.story import Tell, play
from tracker.store import throwaway

_PACE = 3600.0  # simulated seconds per second


class _Performance(msgspec.Struct, frozen=True):
    """The service, the shop that plays, and what is around both."""

    runtime: Runtime
    shop: Shop
    stage: stage.Stage


async def demo(settings: Settings, given: argparse.Namespace) -> int:
    """Play the demo live, or to its end at once. Raises AddressUnusable before anything is started."""
    if given.until_settled and given.speed is not None:
        raise UsedWrongly("--speed is the pace of the live demo; --until-settled plays as fast as it can: give one")
    listening.refuse_unusable("127.0.0.1", given.port, "--port")
    with _cut_short_by_signals() as told:
        try:
            return await (_play_to_the_end if given.until_settled else _play_live)(settings, given)
        except asyncio.CancelledError:
            if not told:
                raise
    say(f"stopped by {told[0].name} before the story's end; nothing of it is kept")
    return 128 + told[0]


@contextmanager
def _cut_short_by_signals() -> Iterator[list[signal.Signals]]:
    """SIGINT and SIGTERM cancel this block, so that all it has opened is put away; a second one ends the process."""
    told: list[signal.Signals] = []
    loop, ours = asyncio.get_running_loop(), asyncio.current_task()

    def cut_short(asked: signal.Signals) -> None:
        if told:
            os._exit(128 + asked)
        told.append(asked)
        if ours is not None:
            ours.cancel()

    for asked in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(asked, cut_short, asked)
    try:
        yield told
    finally:
        for asked in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(asked)


async def _play_live(settings: Settings, given: argparse.Namespace) -> int:
    speed = given.speed or _PACE
    clock = AcceleratedClock(stage.STARTS_AT, speed)
    async with _performance(settings, clock, given) as shown, bootstrap.ticking(shown.runtime):
        runtime, public_url = shown.runtime, shown.stage.settings.public_url
        say(f"A shop's three weeks at {speed:g} times their pace, from {stage.STARTS_AT:%A %d %B %Y} on.")
        say(f"  live board and inbox   {await entry_link(runtime.house, shown.stage.settings)}")
        say(f"  REST and its docs      {public_url}/api/docs")
        say("  customers' pages       linked from every parcel and message on the board")
        say("Ctrl-C stops it.")
        playing = asyncio.create_task(
            stage.keep_playing(shown.shop, runtime.house.db, clock, runtime.stopping, _announce_the_end)
        )
        await bootstrap.until_asked_to_stop(runtime.stopping)
        await playing
    say("stopped; nothing of it is kept")
    return 0


def _announce_the_end(now: datetime) -> None:
    say(f"The story is over on {now:%A %d %B %Y}: every parcel has come to its end, and nothing more moves.")
    say(
        "All of it can still be looked at: incidents with their timelines, messages, customers' pages. Ctrl-C stops it."
    )


async def _play_to_the_end(settings: Settings, given: argparse.Namespace) -> int:
    clock = SteppedClock(stage.STARTS_AT)
    async with _performance(settings, clock, given) as shown:
        tell: Tell = _progress if sys.stderr.isatty() or not given.json else _silence
        summary = await play(
            shown.runtime, shown.runtime.house.db, clock, shown.stage.world, shown.shop, shown.stage.sinks, tell
        )
    print(json.dumps(summary, indent=2) if given.json else _summed_up(summary))
    return 1 if summary["violations"] else 0


def _progress(now: datetime, ended: int, registered: int) -> None:
    day = (now - stage.STARTS_AT).days + 1
    say(f"  day {day:2}, {now:%a %d %b}: {registered} parcels registered, {ended} of them at their end")


def _silence(_now: datetime, _ended: int, _registered: int) -> None:
    """For programs that read the summary."""


@asynccontextmanager
async def _performance(settings: Settings, clock: Clock, given: argparse.Namespace) -> AsyncIterator[_Performance]:
    """The service over a database of its own, set up for the demo's shop, with the carriers and sinks around it."""
    async with AsyncExitStack() as stack:
        at_hand = _at_hand(settings, stack.enter_context(throwaway.data_directory()), given.port)
        set_up = await stack.enter_async_context(stage.staged(at_hand, clock, given.seed, faults=True))
        url = await stack.enter_async_context(premises.database_url(set_up.settings))
        await premises.bring_up_to_date(set_up.settings, url)
        runtime = await stack.enter_async_context(
            bootstrap.open_runtime(set_up.settings, url, clock, Chance(_number_of(given.seed)))
        )
        await stack.enter_async_context(bootstrap.listening(runtime))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield _Performance(runtime, Shop(set_up.world, await _let_in(runtime, set_up), session, clock.now()), set_up)


async def _let_in(runtime: Runtime, set_up: stage.Stage) -> Access:
    """The shop's key, its partners' secrets, and an admin for whoever watches."""
    shop, house = set_up.settings.shop.code, runtime.house
    async with house.db.transaction() as conn:
        key = await access.create_key(conn, shop, "the demo's shop", WRITE)
        partners = {name: await access.add_partner(conn, house.vault, shop, name) for name in partners_of(set_up.world)}
    await people.invite(house, shop, "lucia@aurora.example", "Lucía Marín", Role.ADMIN, AT_THE_MACHINE)
    return Access(set_up.settings.public_url, key, partners)


def _number_of(seed: str) -> int:
    """A number from the seed's text, the same in every process."""
    return zlib.crc32(seed.encode())


def _at_hand(settings: Settings, directory: Path, port: int) -> Settings:
    """The demo's own throw-away data directory and address over the given settings."""
    return msgspec.structs.replace(
        settings,
        data_directory=directory,
        database_url=None,
        database_owner_url=None,
        secret_key=None,
        listen=f"127.0.0.1:{port}",
        public_url=f"http://127.0.0.1:{port}",
    )


def _summed_up(summary: dict[str, Any]) -> str:
    lines = [f"from {summary['from']} to {summary['to']}", "shipments"]
    lines += [f"  {milestone:24}{count:5}" for milestone, count in summary["shipments"].items()]
    lines += ["incidents"]
    lines += [f"  {row['category']:16} {row['state']:10}{row['count']:3}" for row in summary["incidents"]]
    lines += ["messages"]
    lines += [
        f"  {row['kind']:22} {row['channel']:6} {row['language']:4}{row['count']:4}" for row in summary["notices"]
    ]
    lines += [f"accepted by the sinks: {summary['accepted']['email']} mails, {summary['accepted']['sms']} SMS"]
    violations = summary["violations"]
    return "\n".join(
        [*lines, "violations: none" if not violations else "violations:", *(f"  {one}" for one in violations)]
    )
