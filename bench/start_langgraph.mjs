// start_langgraph.mjs FOLDER: the least that LangGraph can do, which is in
// FOLDER/node_modules.
// SPDX-License-Identifier: MIT
import { modules } from "./measure.mjs";

const { Annotation, StateGraph, START, END } = modules(process.argv[2])("@langchain/langgraph");
const graph = new StateGraph(Annotation.Root({ value: Annotation() })).addNode("a", () => ({}))
  .addEdge(START, "a").addEdge("a", END).compile();
await graph.invoke({ value: 1 });
