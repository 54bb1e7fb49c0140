-- The bench: that its page comes out whole. What it measures is not tested,
-- for it depends on the machine.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"

-- What is told of many slices.
local SLICES = { "cpu p50", "cpu p99", "cpu p99.9", "cpu max", "wall p50", "wall p99",
  "wall p99.9", "wall max" }

-- The rows and what each of them measures.
local figures = {
  ["node/loop"] = { "wall" },
  ["node/retry"] = { "wall" },
  ["node/nested"] = { "wall" },
  ["node/batch"] = { "wall" },
  ["waiting/runs"] = { "wall", "cpu", "memory" },
  ["waiting/waves"] = { "cpu" },
  ["waiting/random"] = { "cpu" },
  ["tasks/spawn"] = { "cpu" },
  ["tasks/await"] = { "cpu" },
  ["tasks/gather"] = { "cpu" },
  ["tasks/channel"] = { "cpu" },
  ["tasks/semaphore"] = { "cpu" },
  ["batch/1"] = { "wall", "memory" },
  ["batch/8"] = { "wall", "memory" },
  ["batch/1000"] = { "wall", "memory" },
  ["http/get"] = { "cpu", "wall" },
  ["http/get-512"] = { "cpu", "wall" },
  ["http/post"] = { "cpu", "wall" },
  ["http/post-512"] = { "cpu", "wall" },
  ["http/tls"] = { "cpu", "wall" },
  ["http/delayed"] = { "wall", "cpu" },
  ["http/events"] = { "cpu", "memory" },
  ["llm/streams"] = { "cpu", "memory" },
  ["llm/burst"] = { "cpu", "wall" },
  ["llm/first"] = { "wall" },
  ["llm/nearest"] = { "wall" },
  ["cbor/decode"] = { "cpu" },
  ["cbor/encode"] = { "cpu" },
  ["json/decode"] = { "cpu" },
  ["json/encode"] = { "cpu" },
  ["start/flow"] = { "wall", "memory" },
  ["start/http"] = { "wall", "memory" },
  ["frame/idle"] = { "wall" },
  ["frame/waiters"] = { "wall" },
  ["growth/runs"] = { "cpu" },
  ["growth/items"] = { "cpu" },
  ["growth/timers"] = { "cpu" },
  ["growth/waiters"] = { "cpu" },
  ["growth/nodes"] = { "cpu" },
  ["growth/successors"] = { "cpu" },
  ["embed/loop"] = SLICES,
  ["embed/pcalls"] = SLICES,
  ["embed/coroutines"] = SLICES,
  ["embed/metamethods"] = SLICES,
  ["embed/frames"] = SLICES,
  ["embed/strings"] = SLICES,
  ["embed/tables"] = SLICES,
  ["embed/sort"] = SLICES,
  ["embed/gsub"] = SLICES,
  ["embed/loop-signal"] = SLICES,
  ["embed/metamethods-signal"] = SLICES,
  ["embed/frames-signal"] = SLICES,
  ["embed/state"] = { "cpu p50", "cpu max", "heap", "descriptors" },
  ["embed/idle"] = SLICES,
  ["embed/timers"] = SLICES,
  ["embed/gets"] = SLICES,
  ["embed/first"] = SLICES,
  ["embed/turns"] = { "turns", "cpu" },
  ["embed/engine"] = { "cpu p50", "cpu max", "heap", "descriptors" },
  ["embed/size"] = { "memory" },
  ["durable/full-1"] = { "wall", "cpu" },
  ["durable/full-8"] = { "wall", "cpu" },
  ["durable/full-64"] = { "wall", "cpu" },
  ["durable/full-512"] = { "wall", "cpu" },
  ["durable/normal-1"] = { "wall", "cpu" },
  ["durable/normal-8"] = { "wall", "cpu" },
  ["durable/normal-64"] = { "wall", "cpu" },
  ["durable/normal-512"] = { "wall", "cpu" },
}

-- A folder like that of a build with NEAP_BENCH=ON: the executable under test,
-- what bench/ has in C without the engine, and no peer in Go or of npm.
local build

-- What the bench is run with besides: no peer is among it.
local PROGRAMS = { "sh", "env", "timeout", "nginx", "openssl", "lua5.4" }

-- Where programs are found, and those of root.
local path = (os.getenv("PATH") or "") .. ":/usr/sbin:/sbin"

local function bench(...)
  return helper.run({ helper.neap, "bench/run.lua", ... },
    { cwd = helper.root, env = { NEAP_BENCH = build, PATH = path } })
end

-- Has programs found only if they are in PROGRAMS; returns what undoes that.
local function leave_out_peers()
  local folder = helper.tmpdir()
  for _, name in ipairs(PROGRAMS) do
    assert(os.execute(("PATH=%s; ln -s $(command -v %s) %s/"):format(helper.quote(path), name,
      helper.quote(folder))))
  end
  local before = path
  path = folder
  return function() path = before end
end

setup(function()
  build = helper.tmpdir()
  local function compile(name, libraries)
    local command = ("cc -std=c11 -D_GNU_SOURCE -o %s/bench/%s bench/%s.c %s"):format(
      helper.quote(build), name, name, libraries)
    local result = helper.run({ "sh", "-c", command }, { cwd = helper.root })
    assert.equal("", result.stderr)
  end
  helper.write(build .. "/bin/README", "")
  helper.write(build .. "/bench/README", "")
  assert(os.execute(("ln -s %s %s/bin/neap"):format(helper.quote(helper.neap), build)))
  compile("spawn", "")
  compile("http", "$(pkg-config --cflags --libs libcurl libuv jansson)")
end)

describe("bench/run.lua", function()
  -- The part of a page that is about one row.
  local function part(page, id)
    local first = assert(page:find("\n" .. id .. ": ", 1, true), id .. " is not on the page")
    local _, last = page:find("$ ./dev bench --quick " .. id .. "\n", first, true)
    return page:sub(first, assert(last, id .. " has no command"))
  end

  -- The line of a program about a measure in a part of a page, which has those of
  -- the peers below that of neap.
  local function line_of(text, measure, label)
    local from = assert(text:find("\n  " .. measure .. " +%S"))
    return assert(text:match("\n([^\n]*" .. label:gsub("%p", "%%%0") .. "[^\n]*)", from))
  end

  local function check(text, row, figure)
    assert.equal(row.neap.skipped == nil, figure.neap ~= nil)
    if not figure.neap then return end
    local median, unit = line_of(text, figure.measure, row.neap.label):match("(%S+) (%a+) %(")
    assert.equal(figure.unit, unit)
    assert.near(figure.neap.median, tonumber(median), 0.5)
    for i, peer in ipairs(figure.peers) do
      local label = row.peers[i].label
      if row.peers[i].skipped then
        assert.matches("skipped: " .. label .. ": ", text, 1, true)
        assert.is_nil(peer.value)
      elseif peer.ratio then
        assert.near(figure.neap.median / peer.value.median, peer.ratio.median, 1e-9)
        line_of(text, figure.measure, label)
      end
    end
  end

  it("prints all rows for people and for machines, and draws them", function()
    local folder = helper.tmpdir()
    local result = bench("--quick", "--json=" .. folder .. "/results.json",
      "--picture=" .. folder .. "/picture.svg")
    assert.equal("bench: run 1 of 1\n", result.stderr)
    assert.equal(0, result.status)

    local seen = {}
    for _, row in ipairs(neap.json.decode(helper.read(folder .. "/results.json")).rows) do
      local text = part(result.stdout, row.id)
      seen[row.id] = {}
      for i, figure in ipairs(row.figures) do
        seen[row.id][i] = figure.measure
        check(text, row, figure)
      end
    end
    assert.same(figures, seen)
    assert.matches("\n%d+ of %d+ goals reached", result.stdout)
    local picture = helper.read(folder .. "/picture.svg")
    assert.matches("^<svg .*node/loop: .*</svg>\n$", picture)
    assert.matches(">the loop by hand in Lua</text>\n  <rect class=\"%a+\" ", picture)
  end)

  it("skips a peer that is not there, and says so", function()
    local result = bench("--quick", "waiting/runs")
    assert.equal(0, result.status)
    assert.matches("skipped: goroutines: Go is not there\n", result.stdout, 1, true)
    assert.matches("goroutines +%- +%- +at most 0.95: not known\n", result.stdout)
    assert.matches("at most 1600 B: %a+\n", result.stdout)
  end)

  it("needs no peer", function()
    finally(leave_out_peers())
    local result = bench("--quick", "http/get", "json/decode")
    assert.equal("bench: run 1 of 1\n", result.stderr)
    assert.equal(0, result.status)
    for _, what in ipairs { "wrk: wrk", "threads of Python: Python with asyncio",
      "undici, fetch: the npm module undici" } do
      assert.matches("skipped: " .. what .. " is not there\n", result.stdout, 1, true)
    end
  end)

  it("repeats the rows that are named, --runs times", function()
    local result = bench("--quick", "--runs=3", "--json", "node/nested", "start/flow")
    assert.equal(0, result.status)
    local results = neap.json.decode(result.stdout)
    assert.equal(3, results.runs)
    assert.equal(2, #results.rows)
    assert.equal("start/flow", results.rows[2].id)
    for _, row in ipairs(results.rows) do
      local ratio = row.figures[1].peers[1].ratio
      assert.is_true(0 < ratio.min and ratio.min <= ratio.median and ratio.median <= ratio.max)
    end
  end)

  it("refuses rows and options that do not exist", function()
    local result = bench("--quick", "nodes")
    assert.equal(2, result.status)
    assert.matches("there is no row nodes, only node/loop, ", result.stderr, 1, true)
    assert.equal(2, bench("--quik").status)
    assert.equal(2, bench("--runs=0").status)
  end)

  it("fails when a program fails", function()
    os.remove(build .. "/bin/neap")
    finally(function()
      assert(os.execute(("ln -s %s %s/bin/neap"):format(helper.quote(helper.neap), build)))
    end)
    local result = bench("--quick", "node/loop")
    assert.not_equal(0, result.status)
    assert.equal("", result.stdout)
    assert.matches("ended by exit 127", result.stderr, 1, true)
  end)
end)

describe("bench/spawn", function()
  local function spawn(...)
    return helper.run { build .. "/bench/spawn", ... }
  end

  it("runs a program as often as told and prints what it took", function()
    local result = spawn("3", "sh", "-c", "echo ran")
    assert.equal(0, result.status)
    assert.matches("^ran\nran\nran\nwall 0%.%d+ cpu 0%.%d+ memory %d+\n$", result.stdout)
  end)

  it("measures the mean of the time and the most of the memory", function()
    local result = spawn("2", "sleep", "0.05")
    local wall, cpu, memory = result.stdout:match("^wall (%S+) cpu (%S+) memory (%d+)\n$")
    assert.is_true(tonumber(wall) >= 0.05)
    assert.is_true(tonumber(cpu) < tonumber(wall))
    assert.is_true(tonumber(memory) > 100000)
  end)

  it("fails with the program", function()
    local result = spawn("3", "sh", "-c", "echo ran; exit 4")
    assert.equal(1, result.status)
    assert.equal("ran\n", result.stdout)
    assert.equal("spawn: sh: status 4\n", result.stderr)
    assert.equal("spawn: sh: signal 9\n", spawn("1", "sh", "-c", "kill -9 $$").stderr)
    assert.equal(1, spawn("1", "/nonexistent").status)
  end)

  it("tells how to use it", function()
    assert.equal(2, spawn("0", "true").status)
    assert.equal(2, spawn("1").status)
  end)
end)
