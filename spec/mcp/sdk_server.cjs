// A server made with the SDK of MCP's authors, of both eras:
//
//   node spec/mcp/sdk_server.cjs FOLDER stdio|http
//
// FOLDER has node_modules. Over HTTP it writes the address at which it listens.
// SPDX-License-Identifier: MIT
"use strict";
const { createRequire } = require("node:module");
const http = require("node:http");
const { Readable } = require("node:stream");

const load = createRequire(process.argv[2] + "/package.json");
const { McpServer, createMcpHandler } = load("@modelcontextprotocol/server");
const { serveStdio } = load("@modelcontextprotocol/server/stdio");
const { z } = load("zod");

const text = (words) => ({ content: [{ type: "text", text: words }] });

function make() {
  const server = new McpServer({ name: "sdk tides", version: "2" },
    { capabilities: { tools: {} }, instructions: "Ask for tides." });
  server.registerTool("tide", { description: "When the water is high.",
    inputSchema: z.object({ port: z.string() }) }, async ({ port }) => text("high at " + port));
  server.registerTool("fail", { inputSchema: z.object({}) }, async () => {
    throw new Error("no such port");
  });
  server.registerTool("wait", { inputSchema: z.object({ seconds: z.number() }) },
    async ({ seconds }, context) => new Promise((resolve) => {
      const timer = setTimeout(() => resolve(text("waited")), seconds * 1000);
      const signal = context.mcpReq ? context.mcpReq.signal : context.signal;
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        console.error("cancelled");
        resolve(text("cancelled"));
      });
    }));
  server.registerResource("kiel", "tide://kiel", { mimeType: "text/plain" },
    async (uri) => ({ contents: [{ uri: uri.href, text: "high at noon" }] }));
  server.registerPrompt("ask", { argsSchema: z.object({ port: z.string() }) },
    ({ port }) => ({ messages: [{ role: "user",
      content: { type: "text", text: "Tides of " + port } }] }));
  return server;
}

async function answer(handler, incoming, outgoing) {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const ended = new AbortController();
  outgoing.on("close", () => ended.abort());
  const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined;
  const response = await handler.fetch(new Request("http://127.0.0.1" + incoming.url,
    { method: incoming.method, headers: incoming.headers, body, signal: ended.signal }));
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  if (!response.body) return outgoing.end();
  Readable.fromWeb(response.body).on("error", () => {}).pipe(outgoing);
}

if (process.argv[3] === "stdio") {
  serveStdio(make);
} else {
  const handler = createMcpHandler(make);
  const server = http.createServer((incoming, outgoing) => {
    answer(handler, incoming, outgoing).catch((error) => {
      console.error(error);
      outgoing.destroy();
    });
  });
  server.listen(0, "127.0.0.1", () => {
    console.log("http://127.0.0.1:" + server.address().port + "/mcp");
  });
  process.stdin.resume().on("end", () => process.exit(0));
}
