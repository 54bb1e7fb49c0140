-- Whoever reads is cancelled after one step, after two, and so on: what had come for
-- it, also in that very turn, is there for the next who asks, once and in order.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local testing = require "neap.testing"

local fs, net, stream = neap.fs, neap.net, neap.stream

local folder, count = helper.tmpdir(), 0

-- A path at which nothing is.
local function new_path()
  count = count + 1
  return ("%s/%d"):format(folder, count)
end

local LINES = 4
local TEXT = {}
for i = 1, LINES do TEXT[i] = ("line %d, %s\n"):format(i, ("x"):rep(i)) end
TEXT = table.concat(TEXT)

-- Ways to ask for the next piece: by oneself, and through a task of one's own.
local ways = {
  alone = function(take) return take() end,
  timeout = function(take) return neap.timeout(3600, take) end,
  race = function(take) return (neap.race { take, function() neap.sleep(3600) end }) end,
  gather = function(take) return neap.gather({ take })[1] end,
  await = function(take) return neap.spawn(take):await() end,
}

-- Has somebody take pieces until there are none, and cancels it after `steps`; then
-- somebody else takes the rest. Gives all pieces, and whether the first was done.
-- Others are busy meanwhile, so that what somebody waits for has often come when it
-- is not yet its turn: that is when it is cancelled.
local function take_in_turns(way, take, steps)
  local got = {}
  neap.spawn(function() for _ = 1, steps do neap.sleep(0) end end)
  local function work()
    while true do
      local piece = way(take)
      if not piece then return end
      got[#got + 1] = piece
    end
  end
  local first = neap.spawn(work)
  for _ = 1, steps do testing.step() end
  first:cancel()
  local done = pcall(first.await, first)
  work()
  return got, done
end

-- Does that with each number of steps. `open` makes what is read from: it gives the
-- function that takes the next piece, and what has to be closed.
local function sweep(way, open, check)
  local steps, done = 0, false
  repeat
    testing.run(function()
      local take <const>, held = open()
      local _ <close> = setmetatable({}, { __close = function()
        for _, each in ipairs(held) do each:close() end
      end })
      local got
      got, done = take_in_turns(ways[way], take, steps)
      check(got, ("%s, cancelled after %d steps"):format(way, steps))
    end)
    steps = steps + 1
    assert.is_true(steps < 2000)
  until done
end

local function check_text(got, what)
  assert.equal(TEXT, table.concat(got), what)
end

-- How a reader is asked for the next piece.
local asks = {
  lines = function(reader) return function() return reader:read("L") end end,
  bytes = function(reader) return function() return reader:read(7) end end,
  pieces = function(reader) return function() return reader:read_some() end end,
  all = function(reader)
    return function()
      local text = reader:read("a")
      return text ~= "" and text or nil
    end
  end,
}

local sources = {
  ["a pair of streams"] = function()
    local from, to = stream.pair()
    neap.spawn(function()
      for i = 1, #TEXT, 9 do
        to:write(TEXT:sub(i, i + 8))
        neap.sleep(0)
      end
      to:finish()
    end)
    return from, { from, to }
  end,
  ["a file"] = function()
    local file = fs.open(helper.write(folder .. "/text", TEXT))
    return file, { file }
  end,
  ["a pipe that is a file"] = function()
    local path = folder .. "/fifo"
    if not fs.exists(path) then helper.run { "mkfifo", path } end
    local to = fs.open(path, "r+") -- so that neither waits for the other
    local from = fs.open(path)
    to:write(TEXT)
    to:close()
    return from, { from }
  end,
  ["what a program writes"] = function()
    local program = neap.process.spawn { "cat" }
    program.stdin:write(TEXT)
    program.stdin:finish()
    return program.stdout, { program }
  end,
}

describe("whoever reads and is cancelled loses nothing of", function()
  for name, source in pairs(sources) do
    for ask, taker in pairs(asks) do
      it(("%s, read as %s"):format(name, ask), function()
        local function open()
          local reader, held = source()
          return taker(reader), held
        end
        sweep("alone", open, check_text)
        if name == "a pair of streams" and ask == "lines" then
          for way in pairs(ways) do sweep(way, open, check_text) end
        end
      end)
    end
  end

  it("the connections of a listener", function()
    for _, way in ipairs { "alone", "timeout" } do
      sweep(way, function()
        local listener = net.listen("127.0.0.1:0")
        local ends = {}
        for i = 1, 3 do
          ends[i] = net.connect(listener.address)
          ends[i]:write(i, "\n")
        end
        local left = 3
        return function()
          if left == 0 then return nil end
          local connection <close> = listener:accept()
          left = left - 1
          return connection
        end, { listener, table.unpack(ends) }
      end, function(got, what)
        assert.equal(3, #got, what)
      end)
    end
  end)

  it("the changes of a watch", function()
    for _, way in ipairs { "alone", "timeout" } do
      sweep(way, function()
        local path = new_path()
        fs.mkdir(path)
        local watch = fs.watch(path)
        for i = 1, 3 do fs.mkdir(("%s/%d"):format(path, i)) end
        local left = 3
        return function()
          if left == 0 then return nil end
          local change = watch:next()
          left = left - 1
          return change.path:match("%d$")
        end, { watch }
      end, function(got, what)
        assert.equal("123", table.concat(got), what)
      end)
    end
  end)
end)
