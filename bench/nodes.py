"""nodes.py N: N nodes that do next to nothing, by an engine of nodes and flows
as one writes it with asyncio: methods are coroutines, a flow copies each node
before it runs it."""
# SPDX-License-Identifier: MIT
import asyncio
import copy
import sys

from measure import Measure


class Node:
    def __init__(self, max_retries=1, wait=0):
        self.params, self.successors = {}, {}
        self.max_retries, self.wait = max_retries, wait

    def on(self, action, node):
        self.successors[action] = node

    async def prep(self, shared):
        pass

    async def exec(self, prep_res):
        pass

    async def post(self, shared, prep_res, exec_res):
        pass

    async def process_after_fail(self, prep_res, error):
        raise error

    async def attempt(self, prep_res):
        for retry in range(self.max_retries):
            try:
                return await self.exec(prep_res)
            except Exception as error:
                if retry == self.max_retries - 1:
                    return await self.process_after_fail(prep_res, error)
                if self.wait > 0:
                    await asyncio.sleep(self.wait)

    async def run(self, shared):
        prep_res = await self.prep(shared)
        exec_res = await self.attempt(prep_res)
        return await self.post(shared, prep_res, exec_res)


class Flow(Node):
    def __init__(self, start):
        super().__init__()
        self.start = start

    async def attempt(self, shared):
        node = self.start
        while node:
            current = copy.copy(node)
            current.params = self.params
            action = await current.run(shared)
            node = node.successors.get(action or "default")
        return action

    async def run(self, shared):
        return await self.attempt(shared)


class Step(Node):
    async def prep(self, shared):
        return shared["visits"]

    async def exec(self, prep_res):
        return prep_res + 1

    async def post(self, shared, prep_res, exec_res):
        shared["visits"] = exec_res
        return "again" if exec_res < shared["count"] else "done"


async def main(count):
    a, b = Step(), Step()
    a.on("again", b)
    b.on("again", a)
    shared = {"visits": 0, "count": count}
    with Measure():
        await Flow(a).run(shared)
    assert shared["visits"] == count, "not every node was visited"


asyncio.run(main(int(sys.argv[1])))
