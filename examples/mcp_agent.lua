-- An agent that uses the tools of another program, by the Model Context Protocol.
--
--   neap examples/mcp_agent.lua [QUESTION [PROGRAM ARGUMENT...]]
--
-- The program is a server of MCP; unless it is named it is mcp_server.lua beside this. What
-- is called is told on stderr.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm = neap.llm

local QUESTION <const> = "How do I get from Kiel to Bergen, and what does it cost?"

local function command(...)
  if ... then return { ... } end
  return { arg[-1] or "neap", (arg[0]:gsub("[^/]*$", "mcp_server.lua")) }
end

local server <close> = neap.mcp.connect { command = command(select(2, ...)) }

-- What a model might say, for those who have none.
local offline = {
  { calls = { { name = "harbours" } } },
  { calls = { { name = "trip", arguments = { from = "Kiel", to = "Bergen" } } } },
  "Take three ferries, by Oslo and Hirtshals. They cost 260 euros.",
}

local agent = llm.agent {
  model = llm.new { offline = offline },
  system = server.instructions or "You plan trips by ferry. Look up what you need.",
  tools = server:tools(),
  prompt = function(shared) return shared.prompt or QUESTION end,
  approve = function(call)
    io.stderr:write(("%s: %s %s\n"):format(server.name, call.name, call.arguments))
    return true
  end,
}

if not neap.is_main() then return agent end -- to neap run, graph and check

print((agent:ask(... or QUESTION)))
