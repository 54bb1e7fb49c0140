-- A flow and a function as tools of other programs, by the Model Context Protocol.
--
--   neap examples/mcp_server.lua
--
-- It talks by its standard input and output with the program that has started it, such as
-- an editor, or mcp_agent.lua beside this.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local mcp = neap.mcp

local ferries <const> = {
  { from = "Kiel", to = "Oslo", price = 120 },
  { from = "Oslo", to = "Hirtshals", price = 60 },
  { from = "Hirtshals", to = "Bergen", price = 80 },
}

-- Finds the way with the fewest ferries.
local find = neap.Node { name = "find" }

function find:exec(shared)
  local ways = { { at = shared.from } }
  for _, way in ipairs(ways) do -- it grows meanwhile
    if way.at == shared.to then return way end
    for _, ferry in ipairs(ferries) do
      if ferry.from == way.at and #way < #ferries then
        local longer = table.move(way, 1, #way, 1, { at = ferry.to })
        longer[#longer + 1] = ferry
        ways[#ways + 1] = longer
      end
    end
  end
end

function find:post(shared, _, way)
  shared.way = way
  return way and "found" or "none"
end

local price = neap.Node { name = "price" }

function price:post(shared)
  local sum, legs = 0, neap.json.array()
  for i, ferry in ipairs(shared.way) do
    sum, legs[i] = sum + ferry.price, ferry.from .. " to " .. ferry.to
  end
  shared.answer = { legs = legs, price = sum }
end

local none = neap.Node { name = "none" }

function none:post(shared)
  shared.answer = ("There is no way from %s to %s."):format(shared.from, shared.to)
end

local trip = neap.Flow { name = "trip", start = find,
  find - "found" >> price, find - "none" >> none }

if not neap.is_main() then return trip end -- to neap run, graph and check

local function harbours()
  local list = neap.json.array()
  for i, ferry in ipairs(ferries) do list[i] = ferry.from end
  return list
end

mcp.serve {
  name = "ferries",
  tools = {
    mcp.tool(trip, { description = "Finds a way by ferry, and its price in euros.",
      parameters = { "from: string, a harbour", "to: string, a harbour" } }),
    mcp.tool(harbours, { name = "harbours", description = "Lists where ferries leave." }),
  },
}
