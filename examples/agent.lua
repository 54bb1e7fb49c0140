-- An agent that answers questions about the files in a folder.
--
--   neap examples/agent.lua [FOLDER [QUESTION]]
--
-- It may list the folder and read what is in it, and nothing else. What it does is told
-- on stderr. Without a folder it looks at the examples.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm = neap.llm

local folder = ... or arg[0]:match("^(.*)/") or "."

local list = llm.tool {
  name = "list_files",
  description = "Lists the files in the folder.",
  run = function()
    local names = neap.json.array()
    for _, entry in ipairs(neap.fs.list(folder)) do names[#names + 1] = entry.name end
    return names
  end,
}

local read = llm.tool {
  name = "read_file",
  description = "Reads a file in the folder.",
  parameters = { "name: string, as list_files gives it" },
  run = function(arguments)
    if arguments.name:find("/", 1, true) then error("a name has no slash", 0) end
    return neap.fs.read(folder .. "/" .. arguments.name, { max_size = 100000 })
  end,
}

-- What a model might say, for those who have none.
local offline = {
  { calls = { { name = "list_files" } } },
  { calls = { { name = "read_file", arguments = { name = "hello.lua" } } } },
  "It is in hello.lua: one node, which greets.",
}

local agent = llm.agent {
  model = llm.new { offline = offline },
  system = "You answer questions about the files in a folder. Look before you answer.",
  tools = { list, read },
  approve = function(call)
    io.stderr:write(("%s %s\n"):format(call.name, call.arguments))
    return true
  end,
}

if not neap.is_main() then return agent end -- to neap run, graph and check

local text, shared = agent:ask(select(2, ...) or "What is the smallest flow?")
print(text)
io.stderr:write(("%d requests, %d tokens in, %d out\n"):format(shared.agent.turns,
  shared.agent.usage.input, shared.agent.usage.output))
