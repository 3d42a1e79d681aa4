import asyncio

from service.fair_scheduling import FairScheduler


async def rounds_of(turns, uploads, steps):
    """How many steps were taken in each round of the loop."""
    taken = [0]

    async def upload():
        for _ in range(steps):
            await turns.next()
            taken[-1] += 1

    tasks = [asyncio.create_task(upload()) for _ in range(uploads)]
    while not all(task.done() for task in tasks):
        taken.append(0)
        await asyncio.sleep(0)
    return [count for count in taken if count]


async def test_a_round_has_few_steps_however_many_want_one():
    rounds = await rounds_of(FairScheduler(), 50, 20)
    assert max(rounds) == 8
    assert sum(rounds) == 1000


async def test_those_who_are_alone_do_not_wait():
    assert await rounds_of(FairScheduler(), 1, 8) == [8]


async def test_but_they_cannot_go_on_for_ever():
    assert max(await rounds_of(FairScheduler(), 1, 100)) == 8


async def test_rounds_that_few_share_are_not_much_longer():
    assert max(await rounds_of(FairScheduler(), 3, 100)) <= 16


async def test_first_come_first_served():
    turns, order = FairScheduler(), []

    async def upload(name):
        for _ in range(20):
            await turns.next()
            order.append(name)

    await asyncio.gather(*(upload(name) for name in range(20)))
    assert order[:8] == [0] * 8, "nobody else had asked"
    assert order[8:248] == [*range(20)] * 12


async def test_who_goes_away_takes_nobodys_turn():
    turns = FairScheduler()
    waiting = [asyncio.create_task(turns.next()) for _ in range(20)]
    await asyncio.sleep(0)
    for task in waiting[:10]:
        task.cancel()
    await asyncio.wait(waiting[10:])
    assert not any(task.cancelled() for task in waiting[10:])
