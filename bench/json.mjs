// json.mjs decode|encode N LUA: what bench/json.lua does, by Node; the text is what
// LUA prints.
// SPDX-License-Identifier: MIT
import { execFileSync } from "node:child_process";
import { measure } from "./measure.mjs";

const [what, count, lua] = process.argv.slice(2);
const text = execFileSync(lua, ["bench/json_text.lua"], { encoding: "utf8" });
const value = JSON.parse(text);
let size = 0;
await measure(() => {
  for (let i = 0; i < Number(count); i++) {
    size += what === "decode" ? JSON.parse(text).choices.length : JSON.stringify(value).length;
  }
});
if (size === 0) throw new Error("nothing was done");
