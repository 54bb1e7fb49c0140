--- llm.lua KIND URL COUNT CONCURRENCY: so many streamed chats, so many of them at once.
--- KIND is "chats", or "first": then each is left at the first piece.
--- llm.lua nearest COUNT: so many searches among 10,000 vectors of 768 dimensions.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local measure = require "bench.measure"
local llm = neap.llm

local kind, url, count, concurrency = ...

local function nearest(searches)
  local vectors = {}
  for i = 1, 10000 do
    local list = {}
    for d = 1, 768 do list[d] = math.random() - 0.5 end
    vectors[i] = llm.vector(list)
  end
  measure(function()
    for i = 1, searches do
      local found = llm.nearest(vectors[i], vectors, 10)
      assert(found[1] == i and #found == 10)
    end
  end)
end

local function chats(is_first)
  local model = llm.new { provider = "openai", url = url, model = "small" }
  local left = math.tointeger(tonumber(count))
  local function work()
    while left > 0 do
      left = left - 1
      local size = 0
      for piece in model:stream("How is the tide?") do
        size = size + #piece
        if is_first then break end
      end
      assert(size > 0)
    end
  end
  local workers = {}
  for i = 1, tonumber(concurrency) do workers[i] = work end
  measure(function() neap.gather(workers) end)
end

if kind == "nearest" then
  nearest(math.tointeger(tonumber(url)))
else
  chats(kind == "first")
end
