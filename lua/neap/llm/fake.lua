--- A stand-in for a model, whose answers are laid down.
-- SPDX-License-Identifier: MIT
local failure = require "neap.llm.failure"
local core = require "neap.core"
local offline = require "neap.llm.providers.offline"
local options = require "neap.base.options"
local schema = require "neap.base.schema"

local M = {}

---@alias neap.llm.FakeFunction fun(messages: neap.llm.Message[], opts: neap.llm.CallOptions):
--- string|neap.llm.FakeAnswer

---@alias neap.llm.FakeAnswers neap.llm.FakeFunction|(string|neap.llm.FakeAnswer|
--- neap.llm.FakeFunction)[]

---@class neap.llm.FakeRequest
---@field messages? neap.llm.Message[] a copy
---@field texts? string[] of `embed`: a copy
---@field model string
---@field options neap.llm.CallOptions those of the call, the client's and the defaults

-- A copy that nobody changes later, with what says that a table is an array.
local function copy(value)
  if type(value) ~= "table" then return value end
  local all = setmetatable({}, getmetatable(value))
  for name, each in pairs(value) do all[name] = copy(each) end
  return all
end

-- Says what is wrong with an answer, nil if nothing is.
local function fault(answer, where)
  if type(answer) == "string" then return nil end
  if type(answer) ~= "table" then
    return ("%s: an answer is a string, a table or a function, got %s")
      :format(where, answer == nil and "nil" or "a " .. type(answer))
  end
  return options.complaint(answer, where, schema.options["llm.fake"])
end

-- Checks a list of answers, and gives a copy of it.
local function checked(answers, where)
  for _, answer in ipairs(answers) do
    local complaint = type(answer) ~= "function" and fault(answer, where)
    if complaint then options.blame(complaint) end
  end
  for name in pairs(answers) do
    if math.type(name) ~= "integer" or name < 1 or name > #answers then
      options.blame(("%s: a list of answers expected, got the key '%s'")
        :format(where, core.text(name)))
    end
  end
  return table.move(answers, 1, #answers, 1, {})
end

-- The calls of an answer as a model sends them.
local function calls_of(self, calls)
  local list = {}
  for i, call in ipairs(calls or {}) do
    local id, arguments = call.id, call.arguments or "{}"
    if not id then
      self.calls = self.calls + 1
      id = ("call_%d"):format(self.calls)
    end
    if type(arguments) == "table" then
      arguments = next(arguments) == nil and "{}" or core.json.encode(arguments)
    end
    list[i] = { id = id, name = call.name, arguments = arguments }
  end
  return list
end

-- The error that an answer is.
local function failure_of(answer)
  local kind = answer.error
  return kind and failure.new(kind, answer.message or ("the fake fails: %s"):format(kind),
    { retry_after = answer.retry_after })
end

-- Notes a request.
local function note(self, call)
  table.insert(self.requests, { messages = not call.texts and copy(call.messages) or nil,
    texts = copy(call.texts), model = call.model, options = copy(call.options) })
end

-- Answers the next request.
local function answer_to(self, call)
  note(self, call)
  local answers = self.answers
  self.at = self.at + 1
  local answer = self.each or answers[self.at]
  if answer == nil then
    error(failure.new("request",
      ("the fake has run out: it has %d answer(s), and this is request %d")
        :format(#answers, self.at)), 0)
  elseif type(answer) == "table" and answer.vectors then
    error(failure.new("request", ("answer %d of the fake is for embed, and this is another request")
      :format(self.at)), 0)
  elseif type(answer) == "function" then
    answer = answer(copy(call.messages), copy(call.options))
    local complaint = fault(answer, self.where)
    if complaint then error(complaint, 0) end
  end
  if type(answer) == "string" then answer = { text = answer } end
  return { text = answer.text, reasoning = answer.reasoning, usage = answer.usage,
    stop = answer.stop, calls = calls_of(self, answer.calls), failure = failure_of(answer),
    after = answer.after, between = answer.between }
end

-- Answers a request for vectors: where the next answer is for one by that, else as the
-- offline client does.
local function vectors_for(self, call)
  note(self, call)
  local answer = self.answers and self.answers[self.at + 1]
  if type(answer) ~= "table" or not answer.vectors then return offline.embed.answer(call) end
  self.at = self.at + 1
  local vectors = answer.vectors
  if type(vectors) == "function" then
    vectors = vectors(copy(call.texts), copy(call.options))
  elseif vectors == true then
    vectors = offline.embed.answer(call).vectors
  end
  return { vectors = vectors, usage = answer.usage, failure = failure_of(answer),
    after = answer.after }
end

--- Makes the provider that gives these answers in turn, or those of a function.
---@param answers neap.llm.FakeAnswers
---@param where string what takes the answers, for messages
---@return neap.llm.Provider
---@return neap.llm.FakeRequest[] requests what it is asked, appended to
function M.provider(answers, where)
  local self = { where = where, requests = {}, at = 0, calls = 0 }
  if type(answers) == "function" then self.each = answers
  else self.answers = checked(answers, where) end
  return { name = "fake", waits = true, features = { schema = true, tools = true },
    answer = function(call) return answer_to(self, call) end,
    embed = { answer = function(call) return vectors_for(self, call) end } }, self.requests
end

return M
