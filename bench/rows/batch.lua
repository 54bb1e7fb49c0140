--- What the items of a batch cost that an iterator gives.
-- SPDX-License-Identifier: MIT

---@param t bench.Tools
---@return bench.Row[]
return function(t)
  local count = t.part(1000000)
  local rows = {}
  for i, concurrency in ipairs { 1, 8, 1000 } do
    local function by(label, how)
      return t.neap_by(label, "bench/batch.lua", how, count, concurrency)
    end
    rows[i] = {
      id = "batch/" .. concurrency,
      title = ("a batch of %d items from an iterator, %d at once"):format(count, concurrency),
      measures = { { "wall", "ns", per = count }, { "memory", "MB", per = 1 } },
      goals = { memory = 4 },
      neap = by("neap", "neap"),
      peers = { t.with(by("a pool of coroutines by hand in Lua", "pool"),
        { most = { wall = 1.5 } }) },
    }
  end
  return rows
end
