--- Whether what one of many costs depends on how many there are.
-- SPDX-License-Identifier: MIT

local WORK = {
  { "runs", "a run that sleeps for 1 ms, one of so many at once" },
  { "items", "an item of a batch of so many" },
  { "timers", "a task that sleeps, one of so many at once" },
  { "waiters", "a task that waits for a semaphore, one of so many" },
  { "nodes", "a node of a flow of so many, made and walked once" },
  { "successors", "a successor of a node that has so many, wired once" },
}

---@param t bench.Tools
---@return bench.Row[]
return function(t)
  local units = t.part(1000000)
  local rows = {}
  for i, work in ipairs(WORK) do
    local name, title = table.unpack(work)
    local function by(label, size)
      local done = math.max(size, units // 10)
      return t.with(t.neap_by(label, "bench/growth.lua", name, size, done),
        { share = done / units })
    end
    local function of(divisor)
      local size = math.max(units // divisor, 1)
      return by(("neap, of %d"):format(size), size)
    end
    rows[i] = { id = "growth/" .. name, title = title, measures = { { "cpu", "ns", per = units } },
      neap = by(("neap, of %d"):format(units), units), peers = { of(10), of(100), of(1000) } }
  end
  return rows
end
