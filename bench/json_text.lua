--- json_text.lua: a chat completion of 100 KB. Prints it, and gives it to `require`.
-- SPDX-License-Identifier: MIT
local words = { "tide", "moon", "the \\\"neap\\\"", "spring", "0.5 m", "r\\u00e9sum\\u00e9",
  "flood\\n" }

local function content(choice)
  local list = {}
  for i = 1, 120 do list[i] = words[(i * choice) % #words + 1] end
  return table.concat(list, " ")
end

local function logprobs(choice)
  local list = {}
  for i = 1, 60 do
    list[i] = ('{"token":"%s","logprob":%.7f,"bytes":[%d,%d,%d]}'):format(
      words[(i * choice) % #words + 1], -i / 7, 100 + i, 99 + choice, 32)
  end
  return table.concat(list, ",")
end

local choices = {}
for i = 1, 20 do
  choices[i] = ('{"index":%d,"message":{"role":"assistant","content":"%s","refusal":null},' ..
    '"logprobs":{"content":[%s]},"finish_reason":"stop"}'):format(i - 1, content(i), logprobs(i))
end
local text = ('{"id":"chatcmpl-123","object":"chat.completion","created":1694268190,' ..
  '"model":"small","choices":[%s],' ..
  '"usage":{"prompt_tokens":9,"completion_tokens":2400,"total_tokens":2409}}')
  :format(table.concat(choices, ","))

if ... == "bench.json_text" then return text end
io.write(text)
