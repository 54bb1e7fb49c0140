// http_get.mjs HOW FOLDER URL COUNT CONCURRENCY: the same by Node's undici, which
// is in FOLDER/node_modules; HOW is "request", its fastest way, or "fetch", the
// one that Node has built in.
// SPDX-License-Identifier: MIT
import { createRequire } from "node:module";

const [how, folder, address, count, concurrency] = process.argv.slice(2);
const load = createRequire(folder + "/");
const { Pool, fetch } = load("undici");
const { version } = load("undici/package.json");
const url = new URL(address);

const memory = process.memoryUsage().rss;
const spent = process.cpuUsage();
const began = performance.now();

const pool = new Pool(url.origin, { connections: Number(concurrency), pipelining: 1 });
let left = Number(count);
const ways = {
  async request() {
    const response = await pool.request({ path: url.pathname, method: "GET" });
    return [response.statusCode, await response.body.text()];
  },
  async fetch() {
    const response = await fetch(address, { dispatcher: pool });
    return [response.status, await response.text()];
  },
};
async function work() {
  while (left > 0) {
    left--;
    const [status, body] = await ways[how]();
    if (status !== 200 || body.length === 0) throw new Error("no answer");
  }
}
await Promise.all(Array.from({ length: Number(concurrency) }, work));

const wall = (performance.now() - began) / 1000;
const used = process.cpuUsage(spent);
const peak = process.resourceUsage().maxRSS * 1024;
console.log(`wall ${wall.toFixed(6)} cpu ${((used.user + used.system) / 1e6).toFixed(6)} ` +
  `memory ${Math.max(0, peak - memory)} undici ${version}, Node ${process.version}`);
process.exit(0);
