-- The examples, each as a user would run it. None needs more than loopback.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local servers = require "spec.servers"
local json = require "neap.json"
local neap = require "neap"

local function example(name, ...)
  return helper.run({ helper.neap, "examples/" .. name .. ".lua", { ... } }, { cwd = helper.root })
end

local function succeeds(stdout, result)
  assert.same({ status = 0, stdout = stdout, stderr = "" }, result)
end

describe("hello", function()
  it("greets the world, or whom it is told to", function()
    succeeds("Hello, world!\n", example("hello"))
    succeeds("Hello, Moon!\n", example("hello", "Moon"))
  end)

  it("runs under a Lua that is not ours", function()
    succeeds("Hello, Moon!\n", helper.run({ helper.lua, "examples/hello.lua", "Moon" },
      { cwd = helper.root }))
  end)
end)

describe("expense_approval", function()
  it("takes each way through the flow", function()
    succeeds([[
Train for 89: approved, in order
Train: paid 89 after 0 revision(s)
Lunch for 23: needs_revision, there is no receipt
Lunch for 23: approved, in order
Lunch: paid 23 after 1 revision(s)
Yacht for 250000: rejected, above the limit of 1000
Yacht: paid 0 after 0 revision(s)
]], example("expense_approval"))
  end)
end)

describe("order_pipeline", function()
  it("goes through all three flows", function()
    succeeds([[
payment: charged 40 at attempt 2
inventory: reserved 2 of 5
shipping: sent a parcel with 2 item(s)
]], example("order_pipeline"))
  end)

  it("leaves them when nothing is in stock", function()
    local result = example("order_pipeline", 6)
    assert.equal([[
payment: charged 120 at attempt 2
refund: 120, for there are only 5 in stock
]], result.stdout)
    assert.equal("", result.stderr)
    assert.equal(1, result.status)
  end)

  it("says where an order went wrong", function()
    local result = example("order_pipeline", 0)
    assert.equal("", result.stdout)
    assert.matches("order > payment > Validate (exec)", result.stderr, 1, true)
    assert.equal(1, result.status)
  end)
end)

describe("newsletter", function()
  local function command(...)
    return helper.run({ helper.neap, { ... } }, { cwd = helper.root })
  end

  local file = "examples/newsletter.lua"

  it("runs, with a limit and articles of one's own", function()
    succeeds("Spring tide on Monday. The ferry is back. Seals were seen.\n",
      command("run", file, "--quiet"))
    succeeds("Spring tide on Monday. The ferry is back.\n",
      command("run", file, "--quiet", "--param", "limit:=41"))
    succeeds("Fog. Rain.\n",
      command("run", file, "--quiet", "--shared", '{"articles": ["Fog. Thick.", "Rain."]}'))
  end)

  it("ends early when there is no news", function()
    local result = command("run", file, "--json", "--quiet", "--shared", '{"articles": []}')
    assert.equal("no_news", json.decode(result.stdout).action)
    assert.equal(0, result.status)
  end)

  it("leaves stdout to the JSON that is asked for", function()
    local result = command("run", file, "--json", "--quiet", "--param", "limit:=30")
    assert.equal("Spring tide on Monday.\n", result.stderr)
    assert.same({ "Spring tide on Monday." }, json.decode(result.stdout).shared.letter)
  end)

  it("can be drawn", function()
    succeeds([=[
flowchart TD
  s1([start])
  n2[["gather"]]
  subgraph f3["edit"]
    s3([start])
    n4["measure"]
    n5["shorten"]
    e3([END])
    s3 --> n4
    n4 -->|"too_long"| n5
    n4 --> e3
    n5 --> n4
  end
  n6["send"]
  e1([END])
  s1 --> n2
  n2 --> f3
  n2 -->|"no_news"| e1
  f3 --> n6
]=], command("graph", file))
  end)

  it("has no mistake that check would find", function()
    succeeds("", command("check", file))
  end)
end)

describe("parallel_review", function()
  local folder = helper.tmpdir()

  it("has remarks on its draft", function()
    local result = example("parallel_review")
    assert.same({ status = 1, stderr = "", stdout = "repeats: 'the the'\n"
      .. "links: there is no no/tables.md\n" }, result)
  end)

  it("has none on a text that is well", function()
    helper.write(folder .. "/other.md", "")
    local file = helper.write(folder .. "/good.md", "The sea rises. See [more](other.md#top), "
      .. "[nothing](http://127.0.0.1/none).\n\n```\nend end\n```\n")
    succeeds("ready to be published\n", example("parallel_review", file))
  end)

  it("counts the words of sentences", function()
    local file = helper.write(folder .. "/long.md", ("word and "):rep(13) .. "end. No more.\n")
    local result = example("parallel_review", file)
    assert.equal("sentences: 27 words: word and word and word and word and word...\n",
      result.stdout)
    assert.equal(1, result.status)
  end)
end)

describe("map_reduce", function()
  local folder = helper.tmpdir()

  it("adds up the words of all files", function()
    local one = helper.write(folder .. "/one", "The moon, the tide.")
    local two = helper.write(folder .. "/two", "the MOON\n")
    succeeds([[
3 different words in 2 files
      3 the
      2 moon
      1 tide
]], example("map_reduce", one, two))
  end)

  it("reads the licences when it is given nothing", function()
    local result = example("map_reduce")
    local _, lines = result.stdout:gsub("\n", "")
    assert.equal(0, result.status)
    assert.equal(11, lines)
    assert.matches("^%d+ different words in %d+ files\n +%d+ the\n", result.stdout)
  end)

  it("fails for a file that is not there", function()
    local result = example("map_reduce", folder .. "/none")
    assert.equal(1, result.status)
    assert.matches("count_words > Map[1] (exec): ", result.stderr, 1, true)
    assert.matches("none: no such file or directory", result.stderr, 1, true)
  end)
end)

-- Starts nginx in the folder. /limited serves one request in 250 ms and refuses
-- the others: the third attempt of fetch_urls comes later than that.
local function start_nginx(folder)
  helper.write(folder .. "/limited.txt", "one at a time\n")
  return servers.nginx(folder, {
    http = [[
      log_format short '$status $uri';
      limit_req_zone $uri zone=one:32k rate=4r/s;
    ]],
    server = [[
      access_log access.log short;
      location = /tide { return 200 "ebb and flow\n"; }
      location = /down { return 503; }
      location = /free { alias limited.txt; }
      location = /limited { limit_req zone=one; alias limited.txt; }
      location = /v1/chat/completions {
        return 200 '{"choices":[{"message":{"content":"Water comes and goes."}}]}';
      }
      location = /garbage/v1/chat/completions { return 200 "<html>"; }
      location = /broken/v1/chat/completions { return 500; }
    ]],
  })
end

describe("chat", function()
  local script = helper.neap .. " examples/chat.lua"

  -- Serves a model that answers with the number of messages it got; after "wait" with
  -- one word, and no end.
  local function serve(asked)
    return servers.script(function(request, connection)
      local body = json.decode(connection:read(tonumber(request.headers["content-length"])))
      asked[#asked + 1] = body.messages
      connection:write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n",
        "Connection: close\r\n\r\n")
      local waits = body.messages[#body.messages].content == "wait"
      local text = waits and "Well" or #body.messages .. " messages"
      connection:write("data: ", json.encode { choices = { { delta = { content = text },
        finish_reason = not waits and "stop" or nil } } }, "\n\n")
      if waits then connection:read() end
      return false
    end)
  end

  local function chat(url)
    return neap.process.spawn { helper.neap, "examples/chat.lua", "Be brief.", cwd = helper.root,
      stdin = "pipe", stdout = "pipe", stderr = "pipe", env = { NEAP_LLM_URL = url } }
  end

  local function stop(server)
    server:cancel()
    pcall(server.await, server)
  end

  local function read_until(stream, words)
    local text = ""
    while not text:find(words, 1, true) do
      text = text .. assert(stream:read_some(), "the end behind " .. text)
    end
    return text
  end

  it("needs no model", function()
    local result = helper.run({ "sh", "-c", script },
      { cwd = helper.root, stdin = "Tell: The tide comes.\n\n", env = { NEAP_LLM_URL = "" } })
    assert.equal("> The tide comes.\n> > \n", result.stdout)
    assert.matches("offline summariser", result.stderr)
    assert.equal(0, result.status)
  end)

  it("remembers what was said", function()
    local asked = {}
    local url, server = serve(asked)
    local child <close> = chat(url)
    child.stdin:write("Hello\nAnd?\n")
    child.stdin:close()
    assert.equal("> 2 messages\n> 4 messages\n> \n", child.stdout:read("a"))
    assert.same({ role = "assistant", content = "2 messages" }, asked[2][3])
    assert.equal(0, child:wait().code)
    stop(server)
  end)

  it("has Ctrl-C stop the answer, and not the program", function()
    local asked = {}
    local url, server = serve(asked)
    local child <close> = chat(url)
    child.stdin:write("wait\n")
    read_until(child.stdout, "Well")
    child:kill("SIGINT")
    read_until(child.stdout, " [stopped]\n")
    child.stdin:write("And?\n")
    child.stdin:close()
    assert.matches("4 messages\n> \n", child.stdout:read("a"))
    assert.same({ role = "assistant", content = "Well" }, asked[2][3])
    assert.equal(0, child:wait().code)
    stop(server)
  end)
end)

describe("with a server", function()
  local folder = helper.tmpdir()
  local nginx, url

  -- How often the server has answered so, "503 /down". It notes an answer when that
  -- has been sent, which whoever got it need not await; but before the next one.
  local function answers(line)
    neap.http.get(url .. "/tide")
    local _, count = helper.read(folder .. "/access.log"):gsub(line:gsub("%p", "%%%0") .. "\n", "")
    return count
  end

  setup(function()
    nginx = start_nginx(folder)
    url = nginx.plain
  end)

  teardown(function() nginx.pipe:close() end)

  describe("fetch_urls", function()
    it("lists what it fetched in the order it was asked for", function()
      local result = example("fetch_urls", url .. "/tide", url .. "/free")
      assert.matches("^200 " .. url .. "/tide, 13 bytes in %d%.%d%d s\n"
        .. "200 " .. url .. "/free, 14 bytes in %d%.%d%d s\n$", result.stdout)
      assert.equal("", result.stderr)
      assert.equal(0, result.status)
    end)

    it("tries again what may succeed later", function()
      local good, bad = answers("200 /limited"), answers("503 /limited")
      local result = example("fetch_urls", url .. "/limited", url .. "/limited")
      assert.equal(0, result.status)
      assert.equal(2, answers("200 /limited") - good)
      assert.is_true(answers("503 /limited") > bad)
    end)

    it("gives up after three attempts, at once when there is no hope", function()
      local result = example("fetch_urls", url .. "/down", url .. "/tide", url .. "/none")
      local lines = {}
      for line in result.stdout:gmatch("[^\n]+") do lines[#lines + 1] = line end
      assert.equal(1, result.status)
      assert.equal(("- %s/down after 3 attempt(s): http.get %s/down: status 503"):format(url, url),
        lines[1])
      assert.matches("^200 ", lines[2])
      assert.equal(("- %s/none after 1 attempt(s): http.get %s/none: status 404"):format(url, url),
        lines[3])
      assert.equal(3, answers("503 /down"))
      assert.equal(1, answers("404 /none"))
    end)

    it("says how to call it", function()
      assert.same({ status = 2, stdout = "", stderr = "usage: fetch_urls.lua URL ...\n" },
        example("fetch_urls"))
    end)
  end)

  describe("summarize", function()
    local file = helper.write(folder .. "/tides.txt", "The sea rises. The sea falls.\n")

    local function summarize(base, ...)
      local result = helper.run({ helper.neap, "examples/summarize.lua", "--json", { ... } },
        { cwd = helper.root, env = { NEAP_LLM_URL = base } })
      return result, json.decode(result.stdout)
    end

    it("has a model summarise files", function()
      local result, rows = summarize(url .. "/v1", file)
      assert.equal(0, result.status)
      assert.equal(1, #rows)
      assert.equal("Water comes and goes.", rows[1].summary)
      assert.equal(file, rows[1].file)
      assert.equal(30, rows[1].size)
      assert.equal(1, rows[1].attempts)
      assert.is_nil(rows[1].error)
    end)

    it("loses no batch to a file that cannot be read", function()
      local missing = folder .. "/a_missing_one"
      local result, rows = summarize(url .. "/v1", missing, file)
      assert.equal(1, result.status)
      assert.equal(missing, rows[1].file)
      assert.equal("(no summary)", rows[1].summary)
      assert.matches("no such file", rows[1].error)
      assert.equal("Water comes and goes.", rows[2].summary)
    end)

    local faults = {
      ["with garbage"] = { base = "/garbage", reason = "it is no JSON" },
      ["with status 500"] = { base = "/broken", reason = "status 500" },
    }
    for what, fault in pairs(faults) do
      it("falls back after three attempts when a server answers " .. what, function()
        local result, rows = summarize(url .. fault.base, file)
        assert.equal(1, result.status)
        assert.equal("(no summary)", rows[1].summary)
        assert.equal(3, rows[1].attempts)
        assert.matches(fault.reason, rows[1].error, 1, true)
      end)
    end

    it("falls back when nobody listens", function()
      local result, rows = summarize("http://127.0.0.1:1/v1", file)
      assert.equal(1, result.status)
      assert.equal("(no summary)", rows[1].summary)
      assert.matches("connection refused", rows[1].error)
    end)

    it("needs no model", function()
      local result, rows = summarize("", file)
      assert.equal(0, result.status)
      assert.equal("The sea rises. The sea falls.", rows[1].summary)
      assert.matches("offline summariser", result.stderr)
    end)

    it("prints a table for people", function()
      local result = helper.run({ helper.neap, "examples/summarize.lua" }, { cwd = helper.root })
      assert.equal(0, result.status)
      assert.matches("^FILE +SIZE ATTEMPTS +TIME\n/usr/share/common%-licenses/", result.stdout)
      assert.matches("\n(%d+) of %1 files summarised in %d+%.%d%d s\n$", result.stderr)
    end)
  end)
end)

-- Runs an example with a model that gives these replies, each a message in chat
-- completions, in turn.
local function with_model(name, replies, ...)
  local folder = helper.tmpdir()
  local answers = {}
  for i, reply in ipairs(replies) do
    answers[i] = { json = { choices = { { message = reply } },
      usage = { prompt_tokens = 10, completion_tokens = 2 } } }
  end
  local script = helper.write(folder .. "/fake.lua", ([[
local neap = require "neap"
local fake <close> = neap.testing.http { ["POST http://m/v1/chat/completions"] =
  neap.json.decode(%q) }
loadfile("examples/%s.lua")(...)
]]):format(json.encode(answers), name))
  return helper.run({ helper.neap, script, { ... } },
    { cwd = helper.root, env = { NEAP_LLM_URL = "http://m" } })
end

local function call(name, arguments)
  return { content = json.null, tool_calls = { { id = name, type = "function",
    ["function"] = { name = name, arguments = json.encode(arguments) } } } }
end

describe("agent", function()
  it("looks into files before it answers", function()
    local folder = helper.tmpdir()
    helper.write(folder .. "/tides.txt", "High at 06:12.")
    local result = with_model("agent", { call("list_files", {}),
      call("read_file", { name = "../secret" }), call("read_file", { name = "tides.txt" }),
      { content = "At 06:12." } }, folder, "When is high tide?")
    assert.same({ status = 0, stdout = "At 06:12.\n", stderr = [[
list_files {}
read_file {"name":"../secret"}
read_file {"name":"tides.txt"}
4 requests, 40 tokens in, 8 out
]] }, result)
  end)

  it("says how to call it", function()
    assert.same({ status = 2, stdout = "", stderr = "usage: agent.lua FOLDER QUESTION\n" },
      example("agent"))
  end)
end)

describe("structured", function()
  it("reads letters into a table, and loses none to another", function()
    local folder = helper.tmpdir()
    local first = helper.write(folder .. "/a", "I want 12 euros back. Ada")
    local second = helper.write(folder .. "/b", "Hello!")
    local result = with_model("structured", {
      { content = '{"from": "Ada", "wants": "refund", "amount": 12}' },
    }, first, folder .. "/none")
    assert.equal("", result.stderr)
    assert.equal(0, result.status)
    assert.matches(first .. ": Ada wants refund, 12.00\n", result.stdout, 1, true)
    assert.matches("no such file", result.stdout, 1, true)
    result = with_model("structured", { { content = "Hm." } }, second)
    assert.equal(second .. ": no answer has fitted the schema; the last does not at $\n",
      result.stdout)
  end)
end)
