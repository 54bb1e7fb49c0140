// Clients made with the SDKs of MCP's authors, the old one and the new one, which use a
// server that is a program. They write what they got as a line of JSON.
//
//   node spec/mcp/sdk_client.cjs FOLDER old|new PROGRAM ARGUMENT...
//
// FOLDER has node_modules.
// SPDX-License-Identifier: MIT
"use strict";
const { createRequire } = require("node:module");

const [, , folder, era, command, ...args] = process.argv;
const load = createRequire(folder + "/package.json");

function make() {
  const info = { name: "spec", version: "1" };
  if (era === "old") {
    const { Client } = load("@modelcontextprotocol/sdk/client/index.js");
    const { StdioClientTransport } = load("@modelcontextprotocol/sdk/client/stdio.js");
    return [new Client(info), new StdioClientTransport({ command, args, stderr: "ignore" })];
  }
  const { Client } = load("@modelcontextprotocol/client");
  const { StdioClientTransport } = load("@modelcontextprotocol/client/stdio");
  return [new Client(info, { versionNegotiation: { mode: "auto" } }),
    new StdioClientTransport({ command, args, stderr: "ignore" })];
}

async function outcome(promise) {
  try {
    return await promise;
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}

async function main() {
  const [client, transport] = make();
  await client.connect(transport);
  const call = (name, args, options) => era === "old"
    ? client.callTool({ name, arguments: args }, undefined, options)
    : client.callTool({ name, arguments: args }, options);
  const cancel = new AbortController();
  setTimeout(() => cancel.abort(), 200);
  const got = {
    server: client.getServerVersion(),
    instructions: client.getInstructions(),
    version: (client.getNegotiatedProtocolVersion || (() => transport.protocolVersion))
      .call(client),
    tools: (await client.listTools()).tools,
    double: await call("double", { n: 21 }),
    fail: await call("fail", {}),
    misfit: await call("double", { n: "x" }),
    talk: await call("talk", {}),
    none: await outcome(call("none", {})),
    cancelled: await outcome(call("nap", { seconds: 60 }, { signal: cancel.signal })),
    both: await Promise.all([call("nap", { seconds: 0.2 }), call("nap", { seconds: 0.1 })]),
  };
  await client.close();
  console.log(JSON.stringify(got));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
