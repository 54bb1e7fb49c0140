"""waiting.py N: N tasks at once that each sleep for 10 ms three times."""
# SPDX-License-Identifier: MIT
import asyncio
import sys

from measure import Measure

slept = 0


async def run():
    global slept
    for _ in range(3):
        await asyncio.sleep(0.01)
        slept += 1


async def main(count):
    with Measure():
        tasks = [asyncio.create_task(run()) for _ in range(count)]
        for task in tasks:
            await task
    assert slept == 3 * count, "not every task has slept"


asyncio.run(main(int(sys.argv[1])))
