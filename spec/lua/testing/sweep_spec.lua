-- Cancelled after one step, after two, and so on: whatever a scenario is at, each
-- of its <close> variables is closed once, and nothing of it is left.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local servers = require "spec.servers"
local neap = require "neap"

local fs, http, net = neap.fs, neap.http, neap.net

-- Lets others that are ready have a turn.
local function hop()
  neap.sleep(0)
end

local function nap(guard)
  local _ <close> = guard()
  hop()
  hop()
end

describe("a sweep of cancellations leaves nothing of", function()
  local folder, faulty, pipe

  setup(function()
    folder = helper.tmpdir()
    helper.write(folder .. "/text", ("line\n"):rep(20))
    faulty, pipe = servers.fault()
  end)

  teardown(function() pipe:close() end)

  local function it_survives(what, scenario)
    it(what, function() neap.testing.sweep(scenario) end)
  end

  it_survives("tasks within tasks", function(guard)
    local outer = neap.spawn(function()
      local _ <close> = guard()
      local inner = neap.spawn(nap, guard)
      nap(guard)
      inner:await()
    end)
    nap(guard)
    outer:await()
  end)

  it_survives("gather, race, map and timeout", function(guard)
    local function sleeper() nap(guard) end
    neap.gather { sleeper, function() neap.gather { sleeper, sleeper } end }
    neap.race { sleeper, function() nap(guard) neap.sleep(3600) end }
    neap.map({ 1, 2, 3 }, sleeper, { concurrency = 2 })
    neap.timeout(60, sleeper)
    neap.try(neap.timeout, 0.0005, function()
      local _ <close> = guard()
      neap.sleep(3600)
    end)
  end)

  it_survives("semaphores, limiters, events and channels", function(guard)
    local desk, ready, line = neap.semaphore(1), neap.event(), neap.channel(1)
    local limiter = neap.limiter { rate = 100000, burst = 1 }
    local function visit()
      local _ <close> = guard()
      local _ <close> = desk:acquire()
      limiter:acquire()
      hop()
    end
    neap.gather {
      visit, visit, visit,
      function() ready:wait() for i = 1, 5 do line:send(i) end line:close() end,
      function() local _ <close> = guard() for _ in line:values() do hop() end end,
      function() ready:set() end,
    }
    -- Whoever was cancelled has given its place back.
    desk:acquire():release()
  end)

  it_survives("flows with retries, batches, branches and flows within", function(guard)
    local flaky = neap.Node { name = "flaky", max_retries = 3, timeout = 10,
      exec = function(self)
        nap(guard)
        if self.cur_retry < 2 then error("again") end
      end }
    local batch = neap.BatchNode { name = "batch", concurrency = 2,
      prep = function() return { 1, 2, 3 } end,
      exec = function() nap(guard) end }
    local both = neap.parallel { name = "both", batch, neap.Flow { name = "inner", start = flaky } }
    local all = neap.BatchFlow { name = "all", start = both, concurrency = 2,
      prep = function() return { {}, {} } end }
    neap.Flow { name = "outer", start = all }:run {}
  end)

  it_survives("waiting in coroutines", function(guard)
    local next_one = coroutine.wrap(function()
      local _ <close> = guard()
      for i = 1, 3 do
        hop()
        coroutine.yield(i)
      end
    end)
    for _ = 1, 3 do next_one() end
    next_one()
  end)

  it_survives("files", function(guard)
    local _ <close> = guard()
    fs.write(folder .. "/out", "text", { atomic = true })
    local file <close> = fs.open(folder .. "/text")
    for _ in file:lines() do hop() end
    file:seek("set")
    file:read("a")
    fs.read(folder .. "/out")
  end)

  it_survives("requests", function(guard)
    local function get(path)
      return function()
        local _ <close> = guard()
        return http.get(faulty .. path)
      end
    end
    neap.gather { get "/hello", get "/bytes/100000", get "/to/302/hello" }
  end)

  it_survives("bodies that come and go piece by piece", function(guard)
    local function upload()
      local _ <close> = guard()
      local response <close> = http.post(faulty .. "/echo", { stream = true,
        body = coroutine.wrap(function()
          local _ <close> = guard()
          for _ = 1, 3 do
            hop()
            coroutine.yield("tide")
          end
        end) })
      response:read(10)
      response:read("a")
    end
    local function listen()
      local _ <close> = guard()
      local response <close> = http.get(faulty .. "/events", { stream = true })
      for _ in response:events() do hop() end
    end
    neap.gather { upload, listen, function()
      http.post(faulty .. "/echo", { file = folder .. "/text" })
    end }
  end)

  it_survives("connections", function(guard)
    local listener <close> = net.listen("127.0.0.1:0")
    local server = neap.spawn(listener.serve, listener, function(connection)
      local _ <close> = guard()
      for line in connection:lines() do connection:write(line, "\n") end
    end)
    local connection <close> = net.connect(listener.address)
    for i = 1, 3 do
      connection:write(i, "\n")
      connection:read()
    end
    connection:close()
    listener:close()
    server:await()
  end)

  it_survives("a fake of a model that is recorded", function(guard)
    local answers = { { error = "rate" }, { text = "At noon.", after = 5, between = 1 },
      function() nap(guard) return "At six." end }
    local path = folder .. "/tide.jsonl"
    local model = neap.llm.record(path, neap.llm.fake(answers))
    local _ <close> = guard()
    for _ in model:stream("When?") do nap(guard) end
    model:chat("And then?", { timeout = 60 })
  end)

  it_survives("the vectors of many texts", function(guard)
    local function vectors(texts)
      nap(guard)
      return { { #texts, 1 } }
    end
    local limit = neap.llm.limit { concurrency = 2, requests = 3, per = 10 }
    local _ <close> = guard()
    local model = neap.llm.fake({ { vectors = vectors }, { vectors = true, error = "rate" },
      { vectors = vectors }, { vectors = vectors }, { vectors = vectors, after = 3 } },
      { limit = limit })
    model:embed({ "a", "b", "c", "d" }, { batch = 1, timeout = 120 })
    local place = neap.spawn(function() neap.llm.fake({ "x" }, { limit = limit }):chat("y") end)
    place:await()
  end)

  -- A server of MCP that takes its time.
  local function play(call)
    local results = {
      initialize = { protocolVersion = "2025-11-25", capabilities = {} },
      ["tools/list"] = { tools = { { name = "tide", inputSchema = { type = "object" } } } },
      ["tools/call"] = { content = { { type = "text", text = "high" } } },
    }
    for line in call.stdin:lines() do
      local message = neap.json.decode(line)
      hop()
      if message.id and results[message.method] then -- nothing is said to server/discover
        call.stdout:write(neap.json.encode { jsonrpc = "2.0", id = message.id,
          result = results[message.method] }, "\n")
      end
    end
  end

  it_survives("calls of an MCP server", function(guard)
    local fake <close> = neap.testing.process { tides = play }
    local _ <close> = guard()
    local server <close> = neap.mcp.connect { command = { "tides" } }
    local tool = server:tools()[1]
    local function call()
      local _ <close> = guard()
      tool.run({})
    end
    neap.gather { call, call, function() neap.timeout(5, call) end }
    assert.equal("tides", fake.calls[1].command)
  end)

  it_survives("calls of an MCP server at an address", function(guard)
    local fake <close> = neap.testing.http { ["http://tides/mcp"] = function(request)
      local message = request.body and neap.json.decode(request.body) or {}
      local results = {
        initialize = { protocolVersion = "2025-11-25", capabilities = {} },
        ["tools/call"] = { content = { { type = "text", text = "high" } } },
      }
      local result = results[message.method]
      if not result then return { status = request.method == "POST" and 400 or 200 } end
      return { headers = { ["content-type"] = "text/event-stream", ["mcp-session-id"] = "s" },
        delay = 1, chunk_delay = 1, chunks = { ": comment\n\n", "data: " .. neap.json.encode {
          jsonrpc = "2.0", id = message.id, result = result } .. "\n\n" } }
    end }
    local _ <close> = guard()
    local server <close> = neap.mcp.connect { url = "http://tides/mcp" }
    local function call()
      local _ <close> = guard()
      server:call("tide")
    end
    neap.gather { call, call }
    server:close()
    assert.equal("DELETE", fake.requests[#fake.requests].method)
  end)
end)
