// http_get.mjs FOLDER URL COUNT CONCURRENCY: the same by Node's undici, which is
// in FOLDER/node_modules.
// SPDX-License-Identifier: MIT
import { createRequire } from "node:module";

const [folder, address, count, concurrency] = process.argv.slice(2);
const load = createRequire(folder + "/");
const { Pool } = load("undici");
const { version } = load("undici/package.json");
const url = new URL(address);

const memory = process.memoryUsage().rss;
const spent = process.cpuUsage();
const began = performance.now();

const pool = new Pool(url.origin, { connections: Number(concurrency), pipelining: 1 });
let left = Number(count);
async function work() {
  while (left > 0) {
    left--;
    const response = await pool.request({ path: url.pathname, method: "GET" });
    const body = await response.body.text();
    if (response.statusCode !== 200 || body.length === 0) throw new Error("no answer");
  }
}
await Promise.all(Array.from({ length: Number(concurrency) }, work));

const wall = (performance.now() - began) / 1000;
const used = process.cpuUsage(spent);
const peak = process.resourceUsage().maxRSS * 1024;
console.log(`wall ${wall.toFixed(6)} cpu ${((used.user + used.system) / 1e6).toFixed(6)} ` +
  `memory ${Math.max(0, peak - memory)} undici ${version}, Node ${process.version}`);
process.exit(0);
