// nodes.mjs PEER FOLDER N: N nodes that do next to nothing, by "pocketflow" or
// "langgraph", which are in FOLDER/node_modules.
// SPDX-License-Identifier: MIT
import { measure, modules, version } from "./measure.mjs";

const [peer, folder, number] = process.argv.slice(2);
const load = modules(folder);
const count = Number(number);
const shared = { visits: 0 };

const peers = {
  pocketflow() {
    const { Flow, Node } = load("pocketflow");
    class Step extends Node {
      async prep(shared) { return shared.visits; }
      async exec(visits) { return visits + 1; }
      async post(shared, _, visits) {
        shared.visits = visits;
        return visits < count ? "again" : undefined;
      }
    }
    const [a, b, end] = [new Step(), new Step(), new Node()];
    a.on("again", b).next(end);
    b.on("again", a).next(end);
    return ["pocketflow", () => new Flow(a).run(shared)];
  },
  langgraph() {
    const { Annotation, StateGraph, START, END } = load("@langchain/langgraph");
    const step = (state) => ({ visits: state.visits + 1 });
    const next = (name) => (state) => state.visits < count ? name : END;
    const graph = new StateGraph(Annotation.Root({ visits: Annotation() }))
      .addNode("a", step).addNode("b", step).addEdge(START, "a")
      .addConditionalEdges("a", next("b")).addConditionalEdges("b", next("a")).compile();
    return ["@langchain/langgraph", async () => {
      Object.assign(shared, await graph.invoke(shared, { recursionLimit: count + 1 }));
    }];
  },
};

const [name, work] = peers[peer]();
await measure(work, version(folder, name));
if (shared.visits !== count) throw new Error("not every node was visited");
