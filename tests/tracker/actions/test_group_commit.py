import asyncio
from collections.abc import Sequence

import pytest

from tracker.actions.group_commit import GroupCommit, Overloaded


class Commits:
    """Notes each batch, and holds the first one back until it may end; what is divisible by `poison` fails."""

    def __init__(self, poison: int = 0) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()
        self._poison = poison

    async def __call__(self, batch: Sequence[int]) -> list[int]:
        self.batches.append(list(batch))
        self.begun.set()
        await self.may_end.wait()
        if self._poison and any(item % self._poison == 0 for item in batch):
            raise ZeroDivisionError
        return [10 * item for item in batch]


async def submit(group: GroupCommit[int, int], commits: Commits, first: int, *others: int) -> list[int | BaseException]:
    """What becomes of an item, and of others that arrive while it is being committed."""
    tasks = [asyncio.create_task(group.submit(first))]
    await commits.begun.wait()
    tasks += [asyncio.create_task(group.submit(item)) for item in others]
    await asyncio.sleep(0)  # all of them have taken their place
    commits.may_end.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_arrives_during_a_commit_goes_with_the_next():
    commits = Commits()
    assert await submit(GroupCommit(commits), commits, 1, 2, 3, 4) == [10, 20, 30, 40]
    assert commits.batches == [[1], [2, 3, 4]]


async def test_with_two_lanes_a_second_batch_is_worked_on_while_the_first_is_committed():
    commits = Commits()
    group: GroupCommit[int, int] = GroupCommit(commits, lanes=2)
    tasks = []
    for item in (1, 2, 3, 4):
        tasks.append(asyncio.create_task(group.submit(item)))
        for _ in range(3):  # whoever can begin has begun
            await asyncio.sleep(0)
    assert commits.batches == [[1], [2]]
    commits.may_end.set()
    assert await asyncio.gather(*tasks) == [10, 20, 30, 40]
    assert commits.batches == [[1], [2], [3, 4]]


@pytest.mark.parametrize(
    ("waiting", "batches"),
    [
        ([4, 4, 4], [[4, 4], [4]]),
        ([10, 1], [[10], [1]]),
        ([1, 30, 1, 9], [[1], [30], [1, 9]]),  # too heavy for any batch, so it goes alone
        ([5, 5, 5, 5], [[5, 5], [5, 5]]),
    ],
)
async def test_a_batch_is_as_heavy_as_a_transaction_may_be(waiting: list[int], batches: list[list[int]]):
    commits = Commits()
    group: GroupCommit[int, int] = GroupCommit(commits, weigh=lambda item: item, most=10)
    await submit(group, commits, 7, *waiting)
    assert commits.batches[1:] == batches


async def test_the_item_at_fault_fails_alone():
    commits = Commits(poison=5)
    *innocent, at_fault = await submit(GroupCommit(commits), commits, 1, 2, 3, 7, 5)
    assert innocent == [10, 20, 30, 70]
    assert isinstance(at_fault, ZeroDivisionError)


async def test_what_stands_in_for_the_item_at_fault_is_committed_in_its_place():
    commits = Commits(poison=5)
    group: GroupCommit[int, int] = GroupCommit(commits, instead=lambda item, _failure: item + 1)
    assert await submit(group, commits, 1, 2, 5) == [10, 20, 60]


async def test_a_database_that_is_away_is_nobodys_fault():
    commits = Commits(poison=5)
    group: GroupCommit[int, int] = GroupCommit(commits, away=(ZeroDivisionError,))
    results = await submit(group, commits, 1, 2, 5, 7)
    assert [type(one) for one in results[1:]] == [ZeroDivisionError] * 3
    assert len(commits.batches) == 2  # it was not halved


async def test_more_than_may_wait_is_refused_at_once():
    commits = Commits()
    group: GroupCommit[int, int] = GroupCommit(commits, waiting=2)
    results = await submit(group, commits, 1, 2, 3, 4)
    assert results[:3] == [10, 20, 30]
    assert isinstance(results[3], Overloaded)


async def test_a_sender_that_goes_away_takes_nothing_with_it():
    commits = Commits()
    group: GroupCommit[int, int] = GroupCommit(commits)
    leaving, staying = asyncio.create_task(group.submit(1)), asyncio.create_task(group.submit(2))
    await commits.begun.wait()
    leaving.cancel()
    commits.may_end.set()
    assert await staying == 20
    await group.close()
    assert commits.batches == [[1, 2]]


async def test_a_sender_of_a_fault_that_goes_away_harms_nobody():
    commits = Commits(poison=5)
    group: GroupCommit[int, int] = GroupCommit(commits)
    tasks = [asyncio.create_task(group.submit(item)) for item in (1, 5, 2)]
    await commits.begun.wait()
    tasks[1].cancel()
    commits.may_end.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [results[0], results[2]] == [10, 20]


async def test_a_stand_in_that_fails_too_is_its_senders_failure():
    commits = Commits(poison=5)
    group: GroupCommit[int, int] = GroupCommit(commits, instead=lambda item, _failure: item + 5)
    innocent, at_fault = await submit(group, commits, 1, 5)
    assert innocent == 10
    assert isinstance(at_fault, ZeroDivisionError)


async def test_closing_waits_for_all_that_was_submitted():
    commits = Commits()
    group: GroupCommit[int, int] = GroupCommit(commits, most=1)
    tasks = [asyncio.create_task(group.submit(item)) for item in (1, 2, 3)]
    await commits.begun.wait()
    closing = asyncio.create_task(group.close())
    await asyncio.sleep(0)
    assert not closing.done()
    commits.may_end.set()
    await closing
    assert commits.batches == [[1], [2], [3]]
    assert await asyncio.gather(*tasks) == [10, 20, 30]


async def test_a_commit_that_is_cancelled_leaves_nobody_waiting_for_ever():
    """The process is going down in the middle of a commit."""
    commits = Commits()
    group: GroupCommit[int, int] = GroupCommit(commits)
    tasks = [asyncio.create_task(group.submit(1))]
    await commits.begun.wait()
    tasks.append(asyncio.create_task(group.submit(2)))
    await asyncio.sleep(0)
    (flushing,) = group._flushing
    flushing.cancel()
    async with asyncio.timeout(5):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in results] == [Overloaded, Overloaded]


async def test_a_commit_that_forgets_an_answer_fails_loudly():
    async def forgetful(batch: Sequence[int]) -> list[int]:
        return []

    group: GroupCommit[int, int] = GroupCommit(forgetful)
    async with asyncio.timeout(5):
        with pytest.raises(ValueError, match="argument"):
            await group.submit(1)
