--- What chats with a model cost, which is played by a server on this machine.
-- SPDX-License-Identifier: MIT

---@param t bench.Tools
---@return bench.Row[]
return function(t)
  local streams, tokens = t.part(1000), 200
  local bursts, burst = t.part(100) // 100, 100000
  local firsts, searches = t.part(500), t.part(100)

  local function neap(...)
    return t.neap_by("neap", "bench/llm.lua", ...)
  end

  local function bare(more, ...)
    return t.with(t.c_by("C on libcurl, libuv and jansson", "http", ...), more or {})
  end

  local function openai(...)
    return t.node_by("openai of npm", "openai", "bench/llm.mjs", t.npm, ...)
  end

  bursts = math.max(bursts, 1)
  return {
    {
      id = "llm/streams",
      title = ("%d streamed chats at once of %d tokens, each in a packet of its own")
        :format(streams, tokens),
      measures = { { "cpu", "us", per = streams * tokens }, { "memory", "KB", per = streams } },
      goals = { memory = 64 },
      neap = neap("chats", "EVENTS/v1", streams, streams),
      peers = {
        bare({ most = { cpu = 1.5 } }, "chats", "EVENTS/v1/chat/completions", streams, streams),
        openai("chats", "EVENTS/v1", streams, streams),
      },
    },
    {
      id = "llm/burst",
      title = ("a chat of %d tokens, as fast as they come"):format(burst),
      measures = { { "cpu", "us", per = bursts * burst }, { "wall", "us", per = bursts * burst } },
      neap = neap("chats", "EVENTS/burst/v1", bursts, 1),
      peers = {
        bare(nil, "chats", "EVENTS/burst/v1/chat/completions", bursts, 1),
        openai("chats", "EVENTS/burst/v1", bursts, 1),
        t.python_by("http.client and json of Python", "bench/llm.py", "EVENTS/burst/v1", bursts),
      },
    },
    {
      id = "llm/first",
      title = "the time to the first token of a chat, one chat after the other",
      measures = { { "wall", "ms", per = firsts } },
      neap = neap("first", "EVENTS/first/v1", firsts, 1),
      peers = {
        bare({ above = { wall = 1 } }, "first", "EVENTS/first/v1/chat/completions", firsts, 1),
        openai("first", "EVENTS/first/v1", firsts, 1),
      },
    },
    {
      id = "llm/nearest",
      title = "the nearest 10 of 10,000 vectors of 768 dimensions",
      measures = { { "wall", "ms", per = searches } },
      goals = { wall = 10 },
      neap = neap("nearest", searches),
      peers = {},
    },
  }
end
