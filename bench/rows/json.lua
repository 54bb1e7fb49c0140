--- What JSON costs.
-- SPDX-License-Identifier: MIT

---@param t bench.Tools
---@return bench.Row[]
return function(t)
  local count = t.part(300)
  local rows = {}
  for i, what in ipairs { "decode", "encode" } do
    rows[i] = {
      id = "json/" .. what,
      title = ("a chat completion of 100 KB, %sd"):format(what),
      measures = { { "cpu", "ms", per = count } },
      neap = t.neap_by("neap", "bench/json.lua", "neap", what, count),
      peers = {
        t.with(t.lua_by("lua-cjson", "cjson", "bench/json.lua", "cjson", what, count),
          { most = { cpu = 1 / 0.3 } }),
        t.with(t.lua_by("dkjson", "dkjson", "bench/json.lua", "dkjson", what, count),
          { most = { cpu = 1 / 2.5 } }),
        t.node_by("Node", "", "bench/json.mjs", what, count, t.neap),
      },
    }
  end
  return rows
end
