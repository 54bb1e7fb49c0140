--- What it costs to save a step of a durable run: many runs share a commit.
-- SPDX-License-Identifier: MIT

-- How many times as long a step may take as one commit of SQLite's for it, by how many runs
-- there are at once.
local MOST = { full = { [1] = 1.25, [8] = 0.4, [64] = 0.1, [512] = 0.05 }, normal = {} }

---@param t bench.Tools
---@return bench.Row[]
return function(t)
  local rows = {}
  for _, sync in ipairs { "full", "normal" } do
    for _, runs in ipairs { 1, 8, 64, 512 } do
      local steps = t.part(1000) * runs
      local most = MOST[sync][runs]
      local function program(label, what, count)
        return t.c_by(label, "durable", what, sync, runs, count, t.build .. "/durable.db")
      end
      rows[#rows + 1] = { id = ("durable/%s-%d"):format(sync, runs),
        title = ("a step saved, %s, %d at once"):format(sync, runs),
        measures = { { "wall", "us", per = steps }, { "cpu", "us", per = steps } },
        neap = program("neap", "neap", steps),
        peers = { t.with(program("SQLite, a commit each", "bare", t.part(1000)),
          { share = t.part(1000) / steps, most = most and { wall = most } }) } }
    end
  end
  return rows
end
