--- What a poll costs in a frame in which nothing happens.
-- SPDX-License-Identifier: MIT

---@param t bench.Tools
---@return bench.Row[]
return function(t)
  local count = t.part(1000000)

  local function frame(label, waiters)
    return t.c_by(label, "frame", count, waiters)
  end

  local function row(id, title, waiters, peers)
    return { id = "frame/" .. id, title = title, measures = { { "wall", "ns", per = count } },
      goals = { wall = 1000 }, neap = frame("neap", waiters), peers = peers }
  end

  return {
    row("idle", "a poll that does not wait, and nothing is pending", 0, {}),
    row("waiters", "the same with 1000 operations waiting", 1000,
      { t.with(frame("neap, one waiting", 1), { most = { wall = 1.2 } }) }),
  }
end
