// Starts aimock, which plays language models by fixtures. It ends with its standard
// input.
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
const { LLMock } = createRequire(folder + "/package.json")("@copilotkit/aimock");

async function main() {
  const mock = new LLMock({ port: 0, host: "127.0.0.1", chunkSize: 5,
    logLevel: "silent", strict: true });
  mock.addFixturesFromJSON(fixtures);
  await mock.start();
  fs.writeFileSync(file, mock.url + "\n");
  process.stdin.resume().on("end", () => process.exit(0));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
