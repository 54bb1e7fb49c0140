// http.mjs HOW FOLDER KIND URL COUNT CONCURRENCY [CA]: what bench/http.lua does,
// by Node's undici, which is in FOLDER/node_modules; HOW is "request", its fastest
// way, or "fetch", the one that Node has built in.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { measure, modules, version } from "./measure.mjs";

const [how, folder, kind, address, count, concurrency, ca] = process.argv.slice(2);
const { Pool, fetch } = modules(folder)("undici");
const url = new URL(address);
const body = "x".repeat(2048);

// HTTP/2 is an experiment of undici 6, and fails after some thousand requests.
const pool = new Pool(url.origin, { connections: Number(concurrency), pipelining: 1,
  connect: ca ? { ca: readFileSync(ca) } : {} });
const sent = kind === "post" ? { method: "POST", body } : { method: "GET" };
const ways = {
  async request() {
    const response = await pool.request({ path: url.pathname, ...sent });
    return [response.statusCode, response.body];
  },
  async fetch() {
    const response = await fetch(address, { dispatcher: pool, ...sent });
    return [response.status, response];
  },
};

// Reads the lines of a stream of events: a line that is empty ends one.
async function events(stream) {
  let [line, data, last] = ["", [], null];
  for await (const bytes of stream.setEncoding("utf8")) {
    const lines = (line + bytes).split("\n");
    line = lines.pop();
    for (const each of lines) {
      if (each.startsWith("data:")) data.push(each.slice(6));
      else if (each === "" && data.length > 0) [last, data] = [data.join("\n"), []];
    }
  }
  return last;
}

let left = Number(count);
async function work() {
  while (left > 0) {
    left--;
    const [status, stream] = await ways[how]();
    const text = kind === "events" ? await events(stream) : await stream.text();
    if (status !== 200 || text.length === 0) throw new Error("no answer");
  }
}
await measure(() => Promise.all(Array.from({ length: Number(concurrency) }, work)),
  version(folder, "undici"));
process.exit(0);
