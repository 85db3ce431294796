"""One channel's run: claims flow through preparation to a few hands that send, until nothing is due."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import asyncpg
import msgspec

from notifications import claims, outcomes, policy
from notifications.batching import Batched
from notifications.claims import Health, Work
from notifications.contract import Channel, FailureClass, Outgoing, SendFailed
from notifications.house import House
from notifications.outcomes import Outcome
from notifications.writing import write_all

_BATCH = 100
_HANDS_PER_SLOT = 8  # so that noting attempts and outcomes goes on while others send
_GATHERED, _LINGER = 16, 0.003  # messages in one statement, where they come within so many seconds
_DATABASE_PAUSES = (0.1, 0.5, 2.0, 5.0)  # seconds; what was sent must be written down
_DATABASE_TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


class Pause(msgspec.Struct, frozen=True):
    """A channel of a shop is left alone for a while, because of what the last of its `failures` said."""

    channel: str
    shop_id: int
    failures: int
    until: datetime
    because: str


class Lane:
    """Sends what is due on one channel. For one run."""

    def __init__(self, house: House, channel: Channel) -> None:
        self.states: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.pauses: list[Pause] = []
        self.surprises: list[Exception] = []
        self.stopping = False
        self._house = house
        self._channel = channel
        self._queue: asyncio.Queue[Work | None] = asyncio.Queue(_BATCH)
        self._begin = Batched(self._begin_all, enough=_GATHERED, linger=_LINGER)
        self._record = Batched(self._record_all, enough=_GATHERED, linger=_LINGER)
        self._held: dict[int, int] = {}
        self._healths: dict[int, Health] = {}
        self._changed: set[int] = set()
        self._probed: set[int] = set()

    async def run(self) -> None:
        """Until nothing is due, or `stopping` is set: then what was claimed is given back, what was begun is finished."""
        heartbeat = asyncio.create_task(self._keep_leases())
        try:
            await self._rescue()
            async with asyncio.TaskGroup() as tasks:
                hands = [tasks.create_task(self._work()) for _ in range(self._number_of_hands())]
                await self._feed()
                for _ in hands:
                    await self._queue.put(None)
            await self._release()
        finally:
            heartbeat.cancel()
            await asyncio.gather(heartbeat, self._begin.finish(), self._record.finish(), return_exceptions=True)

    def _number_of_hands(self) -> int:
        """Where a send cannot be repeated, an attempt is noted only when it starts at once."""
        return self._channel.capacity * (_HANDS_PER_SLOT if self._channel.repeatable else 1)

    async def _feed(self) -> None:
        while not self.stopping:
            async with self._house.db.connection() as conn:
                works = await claims.take(conn, self._channel.name, self._now(), self._house.lease, _BATCH)
            if not works:
                return
            self._held |= {work.claim.id: work.claim.token for work in works}
            for work in await self._prepare(works):
                await self._queue.put(work)

    async def _prepare(self, works: Sequence[Work]) -> list[Work]:
        """Those of `works` that may go, rendered; what is to become of the others is written down."""
        now = self._now()
        for work in works:
            self._healths.setdefault(work.claim.shop_id, work.health)
        obstacles = {work.claim.id: self._obstacle(work, now) for work in works}
        free = [work for work in works if obstacles[work.claim.id] is None]
        problems = await self._render([work for work in free if work.rendered is None and not self._to_ask(work)], now)
        ended = [outcome for outcome in obstacles.values() if outcome]
        ended += [
            outcomes.unsayable(work.claim, problems[work.claim.id], self._house.rules, now)
            for work in free
            if work.claim.id in problems
        ]
        if ended:
            await self._record_all(ended)
        ready = [work for work in free if work.claim.id not in problems]
        await self._show([work for work in ready if self._to_show(work)])
        return [work for work in ready if not self._to_show(work)]

    def _obstacle(self, work: Work, now: datetime) -> Outcome | None:
        if not self._to_ask(work):
            obstacle = outcomes.before_sending(work.claim, self._house.rules, now)
            if obstacle:
                return obstacle
        return self._pause(work, now) or self._probe(work, now)

    def _pause(self, work: Work, now: datetime) -> Outcome | None:
        until = self._healths[work.claim.shop_id].paused_until
        return outcomes.paused(work.claim, until) if until and now < until else None

    def _probe(self, work: Work, now: datetime) -> Outcome | None:
        """After a pause one message goes ahead, and the others wait for what becomes of it."""
        shop_id = work.claim.shop_id
        if self._healths[shop_id].paused_until is None:
            return None
        if shop_id in self._probed:
            return outcomes.paused(work.claim, now + self._house.rules.probe_every)
        self._probed.add(shop_id)
        return None

    async def _render(self, works: Sequence[Work], now: datetime) -> Mapping[int, str]:
        if not works:
            return {}
        async with self._house.db.connection() as conn:
            earlier = await claims.conversations(conn, works, self._channel.name)
        return await asyncio.to_thread(write_all, works, earlier, self._house.links, now)

    def _to_ask(self, work: Work) -> bool:
        return work.claim.in_doubt_since is not None and not self._channel.repeatable

    def _to_show(self, work: Work) -> bool:
        return work.claim.shadow and not self._to_ask(work)

    async def _show(self, works: Sequence[Work]) -> None:
        if not works:
            return
        async with self._house.db.connection() as conn:
            await claims.show(conn, works, self._now())
        self.states["shown"] += len(works)
        self._let_go(works)

    async def _work(self) -> None:
        while (work := await self._queue.get()) is not None:
            if not self.stopping:
                await self._deal_with(work)
            _heed_cancellation()

    async def _deal_with(self, work: Work) -> None:
        outcome = self._pause(work, self._now())
        if outcome is None:
            outcome = await (self._ask(work) if self._to_ask(work) else self._send(work))
        if outcome is not None:
            await self._record(outcome)

    async def _send(self, work: Work) -> Outcome | None:
        """One attempt, noted before it is made; None where the message was stopped at the last moment."""
        claim = work.claim
        attempt = await self._begin(work)
        if attempt is None:
            return None
        claim.attempt, claim.started_at = attempt, self._now()
        try:
            answer = await self._channel.send(_outgoing(work))
        except SendFailed as failure:
            return self._refused(work, failure)
        except Exception as surprise:  # noqa: BLE001 - our own mistake: one message must not stop the others
            self.surprises.append(surprise)
            return self._refused(work, SendFailed(FailureClass.AMBIGUOUS, f"unexpected {type(surprise).__name__}"))
        self._fares(claim.shop_id, None)
        return outcomes.accepted(claim, answer)

    def _refused(self, work: Work, failure: SendFailed) -> Outcome:
        self._fares(work.claim.shop_id, failure)
        outcome = outcomes.refused(
            work.claim,
            failure,
            self._house.rules,
            self._now(),
            chance=self._house.chance.random(),
            repeatable=self._channel.repeatable,
        )
        paused_until = self._healths[work.claim.shop_id].paused_until
        if outcome.due_at and paused_until and paused_until > outcome.due_at:
            return msgspec.structs.replace(outcome, due_at=paused_until)
        return outcome

    async def _ask(self, work: Work) -> Outcome:
        claim = work.claim
        found = await self._channel.find(_outgoing(work), claim.in_doubt_since or claim.created_at)
        return outcomes.asked(claim, found, self._house.rules, self._now())

    def _fares(self, shop_id: int, failure: SendFailed | None) -> None:
        """Counts failures of the account and of the way; an answer about one message shows that both are well."""
        now, health = self._now(), self._healths[shop_id]
        if failure is None or failure.failure in {FailureClass.ADDRESS, FailureClass.CONTENT}:
            changed = Health()
            self._probed.discard(shop_id)
        elif failure.alone or (health.paused_until and now < health.paused_until):
            return
        else:
            rest = policy.pause(health.failures + 1, self._house.rules, account=failure.failure is FailureClass.ACCOUNT)
            changed = Health(health.failures + 1, now + rest if rest else None, failure.detail)
            if changed.paused_until:
                self.pauses.append(
                    Pause(self._channel.name, shop_id, changed.failures, changed.paused_until, failure.detail)
                )
        if changed != health:
            self._healths[shop_id] = changed
            self._changed.add(shop_id)

    async def _begin_all(self, works: Sequence[Work]) -> list[int | None]:
        async with self._house.db.connection() as conn:
            attempts = await claims.begin(conn, works, self._now())
        return [attempts.get(work.claim.id) for work in works]

    async def _record_all(self, ended: Sequence[Outcome]) -> list[None]:
        changed = {shop_id: self._healths[shop_id] for shop_id in self._changed}
        self._changed.clear()
        await self._write(ended, changed)
        for outcome in ended:
            self.states[outcome.state] += 1
            if outcome.ended and outcome.ended != outcomes.ACCEPTED:
                self.failures[outcome.ended] += 1
            self._held.pop(outcome.claim.id, None)
        return [None] * len(ended)

    async def _write(self, ended: Sequence[Outcome], changed: dict[int, Health]) -> None:
        """Tries for a while: what was sent and is not written down would be in doubt. Writing it twice does no harm."""
        for pause in (*_DATABASE_PAUSES, None):
            try:
                await self._write_once(ended, changed)
                return
            except _DATABASE_TROUBLE:
                if pause is None:
                    raise
                await asyncio.sleep(pause)

    async def _write_once(self, ended: Sequence[Outcome], changed: dict[int, Health]) -> None:
        db = self._house.db
        plain = not changed and all(outcome.state == outcomes.ACCEPTED for outcome in ended)
        async with db.connection() if plain else db.transaction() as conn:
            await claims.record(conn, ended, self._now())
            if changed:
                await claims.set_health(conn, self._channel.name, changed, self._now())

    async def _rescue(self) -> None:
        """Attempts whose sender fell silent may have succeeded."""
        while True:
            async with self._house.db.connection() as conn:
                lapsed = await claims.rescue(conn, self._channel.name, self._house.lease, _BATCH)
            if not lapsed:
                return
            now, silence = self._now(), SendFailed(FailureClass.AMBIGUOUS, "its sender fell silent")
            await self._record_all(
                [
                    outcomes.refused(
                        claim, silence, self._house.rules, now, chance=0.0, repeatable=self._channel.repeatable
                    )
                    for claim in lapsed
                ]
            )

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._house.lease.total_seconds() / 3)
            with suppress(*_DATABASE_TROUBLE):
                if self._held:
                    async with self._house.db.connection() as conn:
                        await claims.renew(conn, self._held, self._house.lease)

    async def _release(self) -> None:
        if self._held:
            async with self._house.db.connection() as conn:
                await claims.release(conn, self._held)
            self._held.clear()

    def _let_go(self, works: Sequence[Work]) -> None:
        for work in works:
            self._held.pop(work.claim.id, None)

    def _now(self) -> datetime:
        return self._house.clock.now()


def _heed_cancellation() -> None:
    """Before Python 3.12, asyncio.wait_for loses a cancellation that comes together with the result it waits for."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _outgoing(work: Work) -> Outgoing:
    return Outgoing(
        reference=f"message-{work.claim.id}",
        sender=work.sender,
        recipient=work.claim.recipient,
        message_id=work.message_id or "",
        body=work.rendered.body if work.rendered else b"",
    )
