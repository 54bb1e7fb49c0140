-- Limits of rates.
-- SPDX-License-Identifier: MIT
local neap = require "neap"

-- The seconds that f takes.
local function time(f)
  local from = neap.now()
  f()
  return neap.now() - from
end

describe("a limiter", function()
  it("lets a full bucket through at once, and then what comes in", function()
    local limiter = neap.limiter { rate = 1000, burst = 5 }
    local seconds = time(function()
      for _ = 1, 15 do limiter:acquire() end
    end)
    assert.is_true(seconds >= 0.0099, "it took " .. seconds)
  end)

  it("takes costs, those above a full bucket too", function()
    local limiter = neap.limiter { rate = 1000, per = 1, burst = 2 }
    limiter:acquire(12)
    local seconds = time(function() limiter:acquire(0) limiter:acquire(1) end)
    assert.is_true(seconds >= 0.0099, "it took " .. seconds)
  end)

  it("lets nobody through before a penalty is over", function()
    local limiter = neap.limiter { rate = 1000 }
    limiter:penalize(0.02)
    limiter:penalize(0.001)
    local seconds = time(function() limiter:acquire() end)
    assert.is_true(seconds >= 0.02, "it took " .. seconds)
  end)

  it("serves in the order of coming", function()
    local limiter, order = neap.limiter { rate = 1000, burst = 1 }, {}
    local tasks = {}
    for i = 1, 4 do
      tasks[i] = neap.spawn(function()
        limiter:acquire()
        order[#order + 1] = i
      end)
    end
    neap.gather(tasks)
    assert.same({ 1, 2, 3, 4 }, order)
  end)

  it("goes on when one who waits is cancelled", function()
    local limiter = neap.limiter { rate = 1000, burst = 1 }
    limiter:acquire()
    limiter:penalize(60)
    local task = neap.spawn(function() limiter:acquire() end)
    neap.sleep(0)
    task:cancel()
    pcall(task.await, task)
    limiter.closed_until = 0
    limiter:acquire()
  end)

  it("refuses what makes no sense", function()
    for _, opts in ipairs { {}, { rate = 0 }, { rate = -1 }, { rate = 1 / 0 }, { rate = "1" },
      { rate = 1, per = 0 }, { rate = 1, burst = 0 }, { rate = 1, brust = 2 } } do
      assert.has_error(function() neap.limiter(opts) end)
    end
    local limiter = neap.limiter { rate = 1 }
    assert.has_error(function() limiter:acquire(-1) end)
    assert.has_error(function() limiter:penalize(0 / 0) end)
  end)
end)
