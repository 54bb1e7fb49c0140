// llm.mjs FOLDER KIND URL COUNT CONCURRENCY: what bench/llm.lua does, by the library of
// OpenAI for Node, which is in FOLDER/node_modules.
// SPDX-License-Identifier: MIT
import { measure, modules, version } from "./measure.mjs";

const [folder, kind, baseURL, count, concurrency] = process.argv.slice(2);
const { OpenAI } = modules(folder)("openai");
const client = new OpenAI({ apiKey: "none", baseURL });

let left = Number(count);
async function work() {
  while (left > 0) {
    left--;
    const stream = await client.chat.completions.create({ model: "small", stream: true,
      messages: [{ role: "user", content: "How is the tide?" }] });
    let size = 0;
    for await (const chunk of stream) {
      size += (chunk.choices[0]?.delta?.content ?? "").length;
      if (kind === "first") break;
    }
    if (size === 0) throw new Error("no answer");
  }
}
await measure(() => Promise.all(Array.from({ length: Number(concurrency) }, work)),
  version(folder, "openai"));
process.exit(0);
