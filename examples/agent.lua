-- An agent that answers questions about the files in a folder.
--
--   neap examples/agent.lua FOLDER QUESTION
--
-- It may list the folder and read what is in it, and nothing else. The model is the one
-- that NEAP_LLM_PROVIDER, NEAP_LLM_URL, NEAP_LLM_KEY and NEAP_LLM_MODEL name. What it
-- does is told on stderr.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm = neap.llm

local folder, question = ...
if not question then
  io.stderr:write("usage: agent.lua FOLDER QUESTION\n")
  os.exit(2)
end

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

local agent = llm.agent {
  model = llm.new(),
  system = "You answer questions about the files in a folder. Look before you answer.",
  tools = { list, read },
  approve = function(call)
    io.stderr:write(("%s %s\n"):format(call.name, call.arguments))
    return true
  end,
}

local text, shared = agent:ask(question)
print(text)
io.stderr:write(("%d requests, %d tokens in, %d out\n"):format(shared.agent.turns,
  shared.agent.usage.input, shared.agent.usage.output))
