-- What computes for long without a wait: who is warned of, where, and how often.
-- SPDX-License-Identifier: MIT
--
-- All of it is processor time, which does not depend on what else the machine does.
local helper = require "spec.helper"

local LIMIT = "0.1"

local PRELUDE = [[
local neap = require "neap"
local function burn(seconds)
  local from = os.clock()
  while os.clock() - from < seconds do end -- line 4
end
]]

-- Runs `neap [run] a.lua` and gives stderr.
local function stderr_of(code, limit, command)
  local folder = helper.tmpdir()
  helper.write(folder .. "/a.lua", PRELUDE .. code)
  local result = helper.run({ helper.neap, command and { command, "--quiet" } or {}, "a.lua" },
    { cwd = folder, env = { NEAP_SLOW = limit or LIMIT }, timeout = 60 })
  assert.equal(0, result.status, result.stderr)
  return result.stderr
end

-- The warnings, each as { who, place }.
local function warnings(...)
  local list = {}
  for line in stderr_of(...):gmatch("[^\n]+") do
    local who, place = line:match("^warning: neap: (.-) has computed for more than [%d.]+ s "
      .. "without a wait, at (.-); meanwhile nothing else runs: call neap%.sleep%(0%) now and "
      .. "then, or leave the work to another program %(neap%.process%)$")
    assert.is_truthy(who, line)
    list[#list + 1] = { who, place }
  end
  return list
end

describe("what computes for long", function()
  it("is warned of once, with its path, its phase and the place", function()
    for _, command in ipairs { false, "run" } do
      assert.same({ { "order > Charge (post)", "a.lua:4" } }, warnings([[
        local visits = 0
        local charge = neap.Node { name = "Charge" }
        function charge:post()
          visits = visits + 1
          burn(0.3)
          neap.sleep(0)
          return visits < 3 and "again" or "done"
        end
        local flow = neap.Flow { name = "order", start = charge, charge - "again" >> charge,
          charge - "done" >> neap.END }
        if arg[0] == "a.lua" and not debug.traceback():find "neap.cli.run" then flow:run() end
        return flow]], nil, command or nil))
    end
  end)

  -- A flow that had waited just before its node began was named as well: it had
  -- computed a little longer than the node. The limit is higher here: what another guest takes
  -- from a virtual machine counts as processor time, and half the limit is the difference that
  -- tells a node from the flow around it.
  it("is not the flow around it, which began a little earlier", function()
    assert.same({ { "order > Charge (post)", "a.lua:4" } }, warnings([[
      local visits = 0
      local charge = neap.Node { name = "Charge" }
      function charge:post()
        visits = visits + 1
        burn(0.5)
        neap.sleep(0)
        burn(0.03)
        return visits < 3 and "again" or "done"
      end
      neap.Flow { name = "order", start = charge, charge - "again" >> charge,
        charge - "done" >> neap.END }:run()]], "0.3"))
  end)

  it("is each node that does so", function()
    assert.same({ { "flow > a (prep)", "a.lua:4" }, { "flow > b (exec)", "a.lua:4" } }, warnings [[
      local a = neap.Node { name = "a", prep = function() burn(0.3) end }
      local b = neap.Node { name = "b", exec = function() burn(0.3) end }
      neap.Flow { name = "flow", start = a, a >> b }:run() ]])
  end)

  it("is the batch or the flow where each of its parts is short", function()
    assert.same({ { "all > measure (exec)", "a.lua:4" } }, warnings [[
      local numbers = {}
      for i = 1, 100 do numbers[i] = i end
      local measure = neap.BatchNode { name = "measure", prep = function() return numbers end,
        exec = function() burn(0.005) end }
      neap.Flow { name = "all", start = measure }:run() ]])
    assert.same({ { "loop (exec)", "a.lua:4" } }, warnings [[
      local turns = 0
      local node = neap.Node { name = "node", post = function()
        turns = turns + 1
        burn(0.005)
        return turns < 50 and "again" or "done"
      end }
      neap.Flow { name = "loop", start = node, node - "again" >> node,
        node - "done" >> neap.END }:run() ]])
  end)

  it("counts as the node that has begun it, in a task or a coroutine", function()
    assert.same({ { "node (exec)", "a.lua:4" } }, warnings [[
      neap.Node { name = "node", exec = function()
        neap.gather { coroutine.wrap(function() burn(0.3) end) }
      end }:run() ]])
  end)

  it("may be the script, where it holds others up", function()
    local others = "neap.spawn(function() neap.sleep(1) end) neap.sleep(0) "
    assert.same({ { "the script", "a.lua:4" } }, warnings(others .. "burn(0.3) burn(0.3)"))
    assert.equal("", stderr_of "burn(0.3)")
  end)

  it("is an event of the run, too", function()
    assert.matches("\nwarning at slow: neap: slow %(exec%) has computed", stderr_of [[
      neap.Node { name = "slow", exec = function() burn(0.3) end }:run({}, {
        on_event = function(event)
          if event.kind == "warning" then
            io.stderr:write("warning at ", event.node, ": ", event.message, "\n")
          end
        end }) ]])
  end)

  it("is nobody who waits now and then, or whose program works", function()
    assert.equal("", stderr_of [[
      neap.Node { name = "node", exec = function()
        for _ = 1, 20 do
          burn(0.02)
          neap.sleep(0)
        end
        os.execute "sleep 0.3"
        neap.testing.run(function()
          for _ = 1, 20 do
            burn(0.02)
            neap.sleep(1)
          end
        end)
      end }:run() ]])
  end)

  it("keeps its hook where it has one, and is not looked at", function()
    assert.equal("", stderr_of [[
      neap.Node { name = "node", exec = function()
        local count = 0
        local function hook() count = count + 1 end
        debug.sethook(hook, "", 1000)
        burn(0.3)
        assert(debug.gethook() == hook and count > 100)
        debug.sethook()
      end }:run() ]])
  end)

  it("is not looked for with NEAP_SLOW=0", function()
    local code = 'neap.Node { name = "node", exec = function() burn(1.5) end }:run()'
    assert.equal("", stderr_of(code, "0"))
    assert.equal(1, #warnings(code, ""))
  end)
end)

describe("NEAP_SLOW", function()
  it("is refused when it is no number of seconds", function()
    for _, text in ipairs { "x", "-1", "1e999", "nan" } do
      for _, argv in ipairs { { "-e", "print(1)" }, { "run", "a.lua" } } do
        local result = helper.run({ helper.neap, argv }, { env = { NEAP_SLOW = text } })
        assert.matches("NEAP_SLOW in the environment is in seconds, 0 for no warnings, got '"
          .. text:gsub("%p", "%%%0") .. "'\n", result.stderr)
        assert.equal("", result.stdout)
        assert.equal(2, result.status)
      end
    end
  end)
end)
