--- Agents: a flow that asks a model, and runs the tools that it calls, until it answers.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local failure = require "neap.llm.failure"
local fold = require "neap.llm.fold"
local messages = require "neap.llm.message"
local neap = require "neap"
local options = require "neap.base.options"
local tools = require "neap.llm.tool"

local M = {}

---@class neap.llm.AgentState what an agent keeps in `shared`, under its name
---@field messages neap.llm.Message[]
---@field turns integer requests so far
---@field usage neap.llm.Usage

-- What `ask` has been asked by shared store: the prompt, and the text of the answer.
local asked = setmetatable({}, { __mode = "k" })

local Agent = neap.Flow:extend { name = "agent" }

--- Runs the agent by itself. Waits.
---@param prompt neap.llm.Prompt
---@return string text
---@return table shared
function Agent:ask(prompt)
  if type(self) ~= "table" or type(self.run) ~= "function" then
    options.blame(("bad argument #1 to 'ask' (agent expected, got %s; call it as agent:ask(...))")
      :format(type(self)))
  end
  messages.list(prompt, nil, "ask") -- what is no prompt is refused at the line of the script
  local shared, own = { prompt = prompt }, { prompt = prompt }
  asked[shared] = own
  self:run(shared)
  return own.text, shared
end

-- The tools in a list and by name.
local function tools_of(given)
  local list, by_name, names = {}, {}, {}
  for i, each in ipairs(given or {}) do
    local tool = tools.new(each, ("llm.agent: tool %d"):format(i))
    if by_name[tool.name] then
      options.blame(("llm.agent: there are two tools with the name '%s'"):format(tool.name))
    end
    list[i], by_name[tool.name], names[i] = tool, tool, tool.name
  end
  return list, by_name, names[1] and table.concat(names, ", ") or "none"
end

-- Whether a call is approved, and if not why.
local function is_approved(approve, call, shared, arguments)
  if not approve then return true end
  local ok, answer, reason = pcall(approve, call, shared, arguments)
  if not ok then
    if core.is_cancelled() then error(answer, 0) end
    answer, reason = false, tools.text_of(answer)
  end
  if answer == true then return true end
  return false, reason == nil and "The call was not approved."
    or "The call was not approved: " .. tools.text_of(reason)
end

-- The node that sends the messages.
local function make_ask(agent)
  local ask = neap.Node { name = "ask" }

  function ask:exec(shared)
    local state = shared[agent.name]
    if state.turns >= agent.max_turns then
      local message = ("the model had no answer after %d request(s), the most that "
        .. "max_turns allows"):format(state.turns)
      error(failure.new("turns", message, { usage = state.usage }), 0)
    end
    return agent.model:reply(state.messages, { system = agent.system,
      tools = agent.list[1] and agent.list or nil })
  end

  function ask:post(shared, _, reply)
    local state = shared[agent.name]
    state.turns = state.turns + 1
    fold.add(state.usage, reply.usage)
    table.insert(state.messages, reply.message)
    if reply.stop == "tools" and reply.calls[1] then return "calls" end
    if reply.stop == "pause" then return "pause" end
    if reply.stop ~= "stop" then error(failure.no_answer(reply), 0) end
    local own = asked[shared]
    if own then own.text = reply.text end
    if agent.answer then agent.answer(shared, reply.text, reply) else shared.answer = reply.text end
    return "answer"
  end

  return ask
end

-- The node that runs what the model has called.
local function make_act(agent)
  local act = neap.BatchNode { name = "act", concurrency = agent.concurrency }

  function act:prep(shared)
    self.approval = core.semaphore(1) -- one call is approved at a time
    local list = shared[agent.name].messages
    return list[#list].calls
  end

  function act:exec(shared, call)
    local tool = agent.by_name[call.name]
    if not tool then
      return { text = ("There is no tool '%s'; there are: %s"):format(call.name, agent.names),
        failed = true }
    end
    local arguments, why = tools.arguments(tool, call)
    if not arguments then return { text = why, failed = true } end
    do
      local guard <close> = self.approval:acquire() -- luacheck: ignore 211
      local is_free, reason = is_approved(agent.approve, call, shared, arguments)
      if not is_free then return { text = reason, failed = true } end
    end
    local text, failed = tools.run(tool, arguments, call)
    return { text = text, failed = failed }
  end

  function act:post(shared, calls, results)
    local list = shared[agent.name].messages
    for i, call in ipairs(calls) do
      list[#list + 1] = { role = "tool", id = call.id, content = results[i].text,
        failed = results[i].failed or nil }
    end
  end

  return act
end

-- The messages to begin with.
local function begin(agent, shared)
  local own = asked[shared]
  local prompt, place
  if own then
    prompt = own.prompt
  elseif agent.prompt then
    prompt, place = agent.prompt(shared), "what the function 'prompt' gave"
  else
    prompt, place = shared.prompt, "shared.prompt"
    if prompt == nil then
      error(("%s: there is no prompt; it is looked for in shared.prompt"):format(agent.name), 0)
    end
  end
  local fault = messages.fault(prompt)
  if fault then error(("%s: %s: %s"):format(agent.name, place, fault), 0) end
  return { messages = messages.list(prompt, nil, "agent"), turns = 0, usage = fold.usage() }
end

--- Makes an agent.
---@param opts neap.llm.AgentOptions
---@return table flow
function M.new(opts)
  local agent = options.take(opts, "llm.agent")
  if not agent.model then options.blame("llm.agent: the option 'model' is missing") end
  agent.list, agent.by_name, agent.names = tools_of(agent.tools)
  local ask, act = make_ask(agent), make_act(agent)
  local flow = Agent { name = agent.name, start = ask,
    ask - "calls" >> act >> ask,
    ask - "pause" >> ask,
    ask - "answer" >> neap.END,
  }
  function flow:prep(shared) shared[agent.name] = begin(agent, shared) end
  function flow:post() end -- its action says nothing of what comes next
  return flow
end

return M
