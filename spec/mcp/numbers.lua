-- A server of tools about numbers, for specs.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local mcp, llm = neap.mcp, neap.llm

local double = neap.Node { name = "double" }
function double:exec(shared) return shared.n * 2 end
function double:post(shared, _, n) shared.answer = { n = n } end

local nap = mcp.tool(function(arguments)
  local _ <close> = setmetatable({}, { __close = function(_, err)
    if err then io.stderr:write("ended by ", err.code, "\n") end
  end })
  neap.sleep(arguments.seconds)
  return "slept"
end, { name = "nap", parameters = { "seconds: number" } })

-- Does not want to be cancelled.
local stubborn = mcp.tool(function()
  pcall(neap.sleep, 60)
  return "anyway"
end, { name = "stubborn" })

mcp.serve { name = "numbers", version = "7", instructions = "Numbers only.", tools = {
  mcp.tool(neap.Flow { name = "double", start = double }, { description = "Twice as much.",
    parameters = { "n: integer" } }),
  mcp.tool(neap.Node { name = "keep", post = function(_, shared) shared.kept = true end }),
  llm.tool { name = "talk", run = function()
    print("printed", 1)
    io.write("written\n")
    io.stdout:write("also\n")
    return "said"
  end },
  mcp.tool(function() error("no such number", 0) end, { name = "fail" }),
  mcp.tool(function() return nil, "no luck" end, { name = "luck" }),
  mcp.tool(function() return print end, { name = "odd" }),
  nap, stubborn,
} }
print("served")
