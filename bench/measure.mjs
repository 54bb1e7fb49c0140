// Measures one piece of work and prints what it took, as all programs of the
// bench do.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** Gives what loads the modules that are in a folder's node_modules. */
export function modules(folder) {
  return createRequire(folder + "/");
}

/** Gives the name and the version of one of them. */
export function version(folder, name) {
  const file = readFileSync(`${folder}/node_modules/${name}/package.json`, "utf8");
  return `${name} ${JSON.parse(file).version}`;
}

/** Measures what `work` does; `what` says by what, with its version. */
export async function measure(work, what) {
  const peak = () => process.resourceUsage().maxRSS * 1024;
  const memory = peak();
  const spent = process.cpuUsage();
  const began = performance.now();
  await work();
  const wall = (performance.now() - began) / 1000;
  const used = process.cpuUsage(spent);
  console.log(`wall ${wall.toFixed(6)} cpu ${((used.user + used.system) / 1e6).toFixed(6)} ` +
    `memory ${peak() - memory} ${what ? what + ", " : ""}Node ${process.version}`);
}
