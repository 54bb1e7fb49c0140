// Starts aimock, which plays language models by fixtures, and at /mcp a server of MCP
// that knows tides. It ends with its standard input.
//
//   node spec/npm/aimock.cjs FOLDER FILE FIXTURES
//
// FOLDER has node_modules, FILE gets the address, FIXTURES is JSON: a list in aimock's
// words.
// SPDX-License-Identifier: MIT
"use strict";
const fs = require("node:fs");
const { createRequire } = require("node:module");

const [, , folder, file, fixtures] = process.argv;
const { LLMock, MCPMock } = createRequire(folder + "/package.json")("@copilotkit/aimock");

function tides() {
  return new MCPMock({ serverInfo: { name: "tides", version: "3" } })
    .addTool({ name: "tide.high", description: "high water", inputSchema: { type: "object",
      properties: { port: { type: "string" } }, required: ["port"] } })
    .onToolCall("tide.high", ({ port }) => "high at " + port)
    .addTool({ name: "fail" })
    .onToolCall("fail", () => { throw new Error("no such port"); })
    .addResource({ uri: "tide://kiel", name: "kiel", mimeType: "text/plain" },
      { uri: "tide://kiel", text: "high at noon" })
    .addPrompt({ name: "ask" }, () => ({ messages: [{ role: "user",
      content: { type: "text", text: "Tides?" } }] }));
}

async function main() {
  const mock = new LLMock({ port: 0, host: "127.0.0.1", chunkSize: 5,
    logLevel: "silent", strict: true });
  mock.addFixturesFromJSON(fixtures);
  mock.mount("/mcp", tides());
  await mock.start();
  fs.writeFileSync(file, mock.url + "\n");
  process.stdin.resume().on("end", () => process.exit(0));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
