--- What CBOR costs, in which durable runs keep values.
-- SPDX-License-Identifier: MIT

---@param t bench.Tools
---@return bench.Row[]
return function(t)
  local count = t.part(1000)
  local rows = {}
  for i, what in ipairs { "decode", "encode" } do
    rows[i] = {
      id = "cbor/" .. what,
      title = ("a conversation of 100 KB, %sd, against JSON"):format(what),
      measures = { { "cpu", "ms", per = count } },
      neap = t.neap_by("neap", "bench/cbor.lua", "neap", what, count),
      peers = {
        t.neap_by("neap.json", "bench/cbor.lua", "json", what, count),
        t.with(t.lua_by("lua-cjson", "cjson", "bench/cbor.lua", "cjson", what, count),
          { most = { cpu = 1 } }),
      },
    }
  end
  return rows
end
