// Reads streams as the vendors' own SDKs do. For each address it writes a line of
// JSON: what the SDK has understood, or the error that it has raised.
//
//   node spec/npm/sdk_reader.cjs FOLDER openai|responses|anthropic ADDRESS...
//
// FOLDER has node_modules.
// SPDX-License-Identifier: MIT
"use strict";
const { createRequire } = require("node:module");

const [, , folder, provider, ...addresses] = process.argv;
const load = createRequire(folder + "/package.json");
const messages = [{ role: "user", content: "When?" }];
const common = { apiKey: "sk-1", maxRetries: 0 };

const readers = {
  async openai(address) {
    const OpenAI = load("openai").OpenAI;
    const client = new OpenAI({ ...common, baseURL: address + "/v1" });
    const stream = client.chat.completions.stream({ model: "tide-1", messages,
      stream_options: { include_usage: true } });
    const { model, usage, choices: [{ message, finish_reason }] } =
      await stream.finalChatCompletion();
    return { text: message.content || "", stop: finish_reason, model,
      calls: (message.tool_calls || []).map(({ id, function: f }) =>
        ({ id, name: f.name, arguments: f.arguments })),
      input: usage?.prompt_tokens, output: usage?.completion_tokens,
      cached: usage?.prompt_tokens_details.cached_tokens };
  },

  async responses(address) {
    const OpenAI = load("openai").OpenAI;
    const client = new OpenAI({ ...common, baseURL: address + "/v1" });
    const stream = client.responses.stream({ model: "tide-1", input: "When?" });
    let streamed = "";
    stream.on("response.output_text.delta", ({ delta }) => { streamed += delta; });
    const response = await stream.finalResponse();
    if (streamed !== response.output_text) throw new Error("streamed: " + streamed);
    const { model, status, usage, output } = response;
    return { text: streamed, stop: status, model,
      calls: output.filter(({ type }) => type === "function_call").map((call) =>
        ({ id: call.call_id, name: call.name, arguments: call.arguments })),
      reasoning: output.filter(({ type }) => type === "reasoning")
        .map(({ summary }) => summary.map(({ text }) => text).join("")).join(""),
      input: usage?.input_tokens, output: usage?.output_tokens,
      cached: usage?.input_tokens_details.cached_tokens };
  },

  async anthropic(address) {
    const Anthropic = load("@anthropic-ai/sdk").Anthropic;
    const client = new Anthropic({ ...common, baseURL: address });
    const stream = client.messages.stream({ model: "tide-1", messages, max_tokens: 100 });
    const { model, stop_reason, usage, content } = await stream.finalMessage();
    const join = (kind, field) => content.filter(({ type }) => type === kind)
      .map((block) => block[field]).join("");
    return { text: join("text", "text"), stop: stop_reason, model,
      calls: content.filter(({ type }) => type === "tool_use").map(({ id, name, input }) =>
        ({ id, name, arguments: JSON.stringify(input) })),
      reasoning: join("thinking", "thinking"), signature: join("thinking", "signature"),
      input: usage.input_tokens + usage.cache_read_input_tokens
        + usage.cache_creation_input_tokens,
      output: usage.output_tokens, cached: usage.cache_read_input_tokens };
  },
};

async function main() {
  for (const address of addresses) {
    let got;
    try {
      got = await readers[provider](address);
    } catch (error) {
      got = { error: error.message, status: error.status };
    }
    console.log(JSON.stringify(got));
  }
}

main();
