"""FairScheduler: few steps for each iteration of the event loop, first come, first served."""

import asyncio

from service.fair_scheduling import FairScheduler


async def steps_per_iteration(scheduler, uploads, steps):
    """How many steps were run in each iteration of the loop."""
    taken = [0]

    async def upload():
        for _ in range(steps):
            await scheduler.next()
            taken[-1] += 1

    tasks = [asyncio.create_task(upload()) for _ in range(uploads)]
    while not all(task.done() for task in tasks):
        taken.append(0)
        await asyncio.sleep(0)
    return [count for count in taken if count]


async def test_an_iteration_has_few_steps_however_many_tasks_wait():
    iterations = await steps_per_iteration(FairScheduler(), 50, 20)
    assert max(iterations) == 8
    assert sum(iterations) == 1000


async def test_a_single_task_does_not_wait():
    assert await steps_per_iteration(FairScheduler(), 1, 8) == [8]


async def test_a_single_task_cannot_hold_the_loop():
    assert max(await steps_per_iteration(FairScheduler(), 1, 100)) == 8


async def test_a_few_tasks_take_few_steps_per_iteration():
    assert max(await steps_per_iteration(FairScheduler(), 3, 100)) <= 16


async def test_first_come_first_served():
    scheduler, order = FairScheduler(), []

    async def upload(name):
        for _ in range(20):
            await scheduler.next()
            order.append(name)

    await asyncio.gather(*(upload(name) for name in range(20)))
    assert order[:8] == [0] * 8, "nobody else had asked"
    assert order[8:248] == [*range(20)] * 12


async def test_a_cancelled_task_takes_no_step():
    scheduler = FairScheduler()
    waiting = [asyncio.create_task(scheduler.next()) for _ in range(20)]
    await asyncio.sleep(0)
    for task in waiting[:10]:
        task.cancel()
    await asyncio.wait(waiting[10:])
    assert not any(task.cancelled() for task in waiting[10:])
