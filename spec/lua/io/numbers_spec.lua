-- Numbers that are none of those a function takes: negative, not a number, without
-- end, with a fraction, beyond what a C int holds. Each is refused in words that name
-- the function, or taken for what it is; none is cut down to another.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local fs, net, process = neap.fs, neap.net, neap.process

local NEVER = { -1, -2.5, math.mininteger, 0/0, -(0/0), -math.huge, {}, true, "many", 2^63, 0.5 }
local LARGE = { 1 << 31, (1 << 32) + 1, math.maxinteger }

-- Asserts that `call` refuses a value in words.
local function assert_refused(name, call, value)
  local ok, err = pcall(call, value)
  local what = ("%s, given %s"):format(name, tostring(value))
  assert.is_false(ok, what)
  if type(err) == "table" then err = err.message end
  assert.matches("%l%l%l+", err, what)
  assert.not_matches("attempt to", err, what)
end

describe("a number that makes no sense is refused by", function()
  local path, file, listener, one, other
  before_each(function()
    path = helper.write(helper.tmpdir() .. "/file", "ebb\nflow\n")
    file = fs.open(path, "r+")
    listener = net.listen("127.0.0.1:0")
    one, other = neap.stream.pair()
    other:write("ebb\n")
    other:finish()
  end)
  after_each(function()
    for _, each in ipairs { file, listener, one, other } do each:close() end
  end)

  local function it_refuses(name, call, more, seconds)
    it(name, function()
      for _, value in ipairs(NEVER) do
        if not (seconds and value == 0.5) and not (seconds and value == 2^63) then
          assert_refused(name, call, value)
        end
      end
      for _, value in ipairs(more or {}) do assert_refused(name, call, value) end
    end)
  end

  it_refuses("fs.read", function(n) fs.read(path, { max_size = n }) end, { 0 })
  it_refuses("fs.mkdir", function(n) fs.mkdir(path .. "d", { mode = n }) end, LARGE)
  it_refuses("fs.chmod", function(n) fs.chmod(path, n) end, LARGE)
  it_refuses("fs.lines", function(n) fs.lines(path, n) end, { 0 })
  it_refuses("file:read", function(n) file:read(n) end)
  it_refuses("file:read of lines", function(n) file:read("l", n) end, { 0 })
  it_refuses("file:lines", function(n) file:lines(n) end, { 0 })
  it_refuses("file:seek", function(n) file:seek("set", n) end)
  it_refuses("file:truncate", function(n) file:truncate(n) end, { math.maxinteger })
  it_refuses("stream:read", function(n) one:read(n) end)
  it_refuses("stream:read of lines", function(n) one:read("l", n) end, { 0 })
  it_refuses("net.listen", function(n) net.listen("127.0.0.1:0", { backlog = n }):close() end,
    { 0, table.unpack(LARGE) })
  it_refuses("net.listen, of a port", function(n)
    net.listen("127.0.0.1:" .. tostring(n)):close()
  end, { 65536, table.unpack(LARGE) })
  it_refuses("net.connect", function(n) net.connect(listener.address, { timeout = n }):close() end,
    { 0 }, true)
  it_refuses("listener:serve", function(n)
    listener:close()
    listener:serve(function() end, { max_connections = n })
  end, { 0 })
  it_refuses("process.run, of a time", function(n) process.run { "true", timeout = n } end, { 0 },
    true)
  it_refuses("process.run, of a grace", function(n) process.run { "true", grace = n } end, {}, true)
  it_refuses("process.run, of a size", function(n) process.run { "true", max_output = n } end,
    { 0 })

  it("none where it is large but makes sense", function()
    for _, large in ipairs(LARGE) do
      assert.equal("ebb\nflow\n", fs.read(path, { max_size = large }))
      assert.equal(large, file:seek("set", large))
      assert.is_nil(file:read(1))
      file:seek("set", 0)
      assert.equal("ebb\nflow\n", file:read(large))
      file:seek("set", 0)
      assert.equal("ebb", file:read("l", large))
      local taken = process.run { "echo", "x", timeout = large, grace = large, max_output = large }
      assert.equal("x\n", taken.stdout)
    end
    assert.equal("ebb\n", one:read(math.maxinteger))
    assert.is_true(process.run({ "true", timeout = math.huge }).ok)
    net.connect(listener.address, { timeout = math.huge }):close()
  end)
end)
