"""Measures one piece of work and prints what it took, as all programs of the
bench do."""
# SPDX-License-Identifier: MIT
import platform
import re
import time


def peak():
    """Returns the most memory the process has had resident, in bytes."""
    with open("/proc/self/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read())[1]) * 1024


class Measure:
    """Measures its block."""

    def __enter__(self):
        self.memory = peak()
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def __exit__(self, kind, *_):
        wall = time.perf_counter() - self.wall
        cpu = time.process_time() - self.cpu
        memory = peak() - self.memory
        if kind is None:
            print(f"wall {wall:.6f} cpu {cpu:.6f} memory {memory}"
                  f" Python {platform.python_version()}")
