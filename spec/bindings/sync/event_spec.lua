-- Events: once set, nobody waits for them.
-- SPDX-License-Identifier: MIT
local neap = require "neap"

describe("an event", function()
  it("wakes all who wait, and stays set", function()
    local event, woken = neap.event(), 0
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = neap.spawn(function()
        event:wait()
        woken = woken + 1
      end)
    end
    neap.sleep(0)
    assert.is_false(event:is_set())
    event:set()
    neap.gather(tasks)
    assert.equal(3, woken)
    event:wait()
    assert.is_true(event:is_set())
  end)

  it("can be waited for again once it is cleared", function()
    local event = neap.event()
    event:set()
    event:clear()
    assert.is_false(event:is_set())
    local task = neap.spawn(function() event:wait() end)
    neap.sleep(0)
    assert.equal("pending", task.status)
    event:set()
    task:await()
  end)

  it("is left by whoever is cancelled", function()
    local event = neap.event()
    local task = neap.spawn(function() event:wait() end)
    neap.sleep(0)
    task:cancel()
    neap.sleep(0)
    assert.equal("cancelled", task.status)
    event:set()
  end)
end)
