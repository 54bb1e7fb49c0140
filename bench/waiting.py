"""waiting.py N: N tasks at once that each sleep for 10 ms three times."""
# SPDX-License-Identifier: MIT
import asyncio
import platform
import re
import sys
import time

slept = 0


def peak():
    """Returns the most memory the process has had resident, in bytes."""
    with open("/proc/self/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read())[1]) * 1024


async def run():
    global slept
    for _ in range(3):
        await asyncio.sleep(0.01)
        slept += 1


async def main(count):
    memory, cpu, wall = peak(), time.process_time(), time.perf_counter()
    tasks = [asyncio.create_task(run()) for _ in range(count)]
    for task in tasks:
        await task
    wall = time.perf_counter() - wall
    cpu = time.process_time() - cpu
    memory = peak() - memory
    assert slept == 3 * count, "not every task has slept"
    print(f"wall {wall:.6f} cpu {cpu:.6f} memory {memory}"
          f" Python {platform.python_version()}")


if len(sys.argv) != 2:
    sys.exit("usage: waiting.py N")
asyncio.run(main(int(sys.argv[1])))
