// waiting.mjs FOLDER N: N runs at once of a flow of three nodes that each sleep
// for 10 ms, by pocketflow, which is in FOLDER/node_modules.
// SPDX-License-Identifier: MIT
import { measure, modules, version } from "./measure.mjs";

const [folder, number] = process.argv.slice(2);
const { Flow, Node } = modules(folder)("pocketflow");
const count = Number(number);

class Sleep extends Node {
  async exec() { await new Promise((resolve) => setTimeout(resolve, 10)); }
  async post(shared) { shared.slept++; }
}

const first = new Sleep();
first.next(new Sleep()).next(new Sleep());
const flow = new Flow(first);
const shared = { slept: 0 };
await measure(async () => {
  await Promise.all(Array.from({ length: count }, () => flow.run(shared)));
}, version(folder, "pocketflow"));
if (shared.slept !== 3 * count) throw new Error("not every node has slept");
