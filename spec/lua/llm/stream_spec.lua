-- Streams that several tasks have: one reads, another closes; and streams that nobody closes.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local llm = require "neap.llm"
local neap = require "neap"

local function on_clock(f)
  return function() neap.testing.run(f) end
end

-- A task that reads a stream to its end, and gives what it got.
local function reader(stream)
  return neap.spawn(function()
    local pieces = {}
    local ok, err = neap.try(function()
      for piece in stream do pieces[#pieces + 1] = piece end
    end)
    return table.concat(pieces), not ok and err.code or nil
  end)
end

local function tide(between)
  return { text = "High at noon.", after = 1, between = between or 1 }
end

describe("a stream of a model", function()
  -- The second reader dropped the connection of the first.
  it("is read by one task at a time", on_clock(function()
    local stream <close> = llm.fake { tide() }:stream("When?")
    local first = reader(stream)
    neap.sleep(1.5)
    local err = helper.refused("busy", stream)
    assert.equal("llm.stream: another task is waiting for the answer already", err.message)
    assert.same({ "High at noon." }, { first:await() })
    assert.equal("High at noon.", stream.reply.text)
  end))

  it("is closed while a task waits for a piece", on_clock(function()
    local stream = llm.fake { tide() }:stream("When?")
    local task = reader(stream)
    neap.sleep(1.5)
    stream:close()
    assert.same({ "High ", "closed" }, { task:await() })
    assert.is_nil(stream())
  end))

  -- The request was sent all the same, and had its place until it was collected.
  -- As by a finalizer. The response was nobody's, and stayed open.
  it("closes a response that comes after it was closed", function()
    local stream, is_closed
    local response = { status = 200, headers = { ["content-type"] = "text/event-stream" },
      read_some = function() end, close = function() is_closed = true end }
    local model = llm.new { provider = "openai", url = "http://m", model = "small",
      http = { request = function()
        stream:close()
        return response
      end } }
    stream = model:stream("When?")
    assert.equal("closed", helper.failure(stream).code)
    assert.is_true(is_closed)
  end)

  it("sends nothing when it is closed in the line of a limit", on_clock(function()
    local budget = llm.budget { tokens = 300 }
    local model = llm.fake({ tide(), "At six.", "At seven." }, { max_tokens = 120, budget = budget,
      limit = llm.limit { concurrency = 1 } })
    local first, second = model:stream("When?"), model:stream("When?")
    local tasks = { reader(first), reader(second) }
    neap.sleep(0.5)
    second:close()
    assert.same({ "High at noon." }, { tasks[1]:await() })
    assert.same({ "", "closed" }, { tasks[2]:await() })
    assert.equal(1, #model.requests)
    assert.equal("At six.", (model:chat("When?", { max_tokens = 200 })))
  end))

  it("does not try again when it is closed between two attempts", on_clock(function()
    local model = llm.fake({ { error = "server" }, "At six." }, { wait = 10, jitter = 0 })
    local stream = model:stream("When?")
    local task = reader(stream)
    neap.sleep(5)
    stream:close()
    assert.same({ "", "closed" }, { task:await() })
    assert.equal(1, #model.requests)
  end))

  -- It asked again, and gave the first pieces twice.
  it("does not begin anew after an error", on_clock(function()
    local model = llm.fake { { text = "High at", error = "broken" }, tide(), tide() }
    local stream <close> = model:stream("When?")
    assert.same({ "High at", "llm" }, { reader(stream):await() })
    local err = helper.refused("closed", stream)
    assert.equal("llm.stream: the stream has ended with an error", err.message)
    local other <close> = model:stream("When?")
    helper.refused("timeout", neap.timeout, 2.5, function() return reader(other):await() end)
    helper.refused("closed", other)
    assert.equal(2, #model.requests)
  end))

  it("raises a cancellation, although it has been closed as well", on_clock(function()
    local stream = llm.fake { tide() }:stream("When?")
    local task = reader(stream)
    neap.sleep(0.5)
    task:cancel()
    stream:close()
    helper.refused("cancelled", task.await, task)
  end))

  it("gives back what it has reserved when it is collected", on_clock(function()
    local budget = llm.budget { tokens = 300 }
    local model = llm.fake({ tide(0), "At six." }, { budget = budget, max_tokens = 200 })
    do
      local stream = model:stream("When?")
      assert.equal("High ", stream())
    end
    collectgarbage()
    collectgarbage()
    assert.equal("At six.", (model:chat("When?")))
  end))
end)
