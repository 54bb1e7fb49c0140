--- The fake of neap.input: a test answers the questions.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local answers = require "neap.testing.answers"
local fake = require "neap.testing.fake"
local new_error = require "neap.error".new
local options = require "neap.base.options"

require "neap.input" -- sets core.stream.ask, which the fake replaces

local M = {}

---@alias neap.testing.Line string|false|fun(prompt: string|nil): string|nil a line, false for
--- the end of the input, or a function that makes a line from the prompt, and may wait

--- A fake of neap.input. An answer whose key is the prompt comes first; if it is a list, its
--- answers are given one after the other, the last one again and again. Any other question
--- gets the next answer in the list part. A question without an answer is an error.
---@class neap.testing.Input
---@field close fun(self) asks the standard input again
---@field prompts string[] the prompts so far, "" for a question without one
---@field private answers table
---@field private turns table<string, integer>
---@field private given integer the number of answers that the list part has given
---@field private real function
local Fake, FakeMeta, begin = fake("neap.testing.Input", function(self)
  core.stream.ask = self.real
end)

local function check_answers(given)
  answers.check_all(given, "input", "answers")
  for key, value in pairs(given) do
    local is_prompt = type(key) == "string"
    if not is_prompt and math.type(key) ~= "integer" then
      options.blame(("testing.input: an answer has a prompt or a number, got %s")
        :format(tostring(key)))
    end
    for _, line in ipairs(is_prompt and answers.is_list(value) and value or { value }) do
      if type(line) ~= "string" and type(line) ~= "function" and line ~= false then
        options.blame(("testing.input: %s: an answer is a string, a function or false, got a %s")
          :format(tostring(key), type(line)))
      end
    end
  end
end

-- Stands in for core.stream.ask.
function Fake:ask(prompt)
  core.may_wait("neap.input")
  core.sleep(0)
  prompt = prompt and tostring(prompt)
  self.prompts[#self.prompts + 1] = prompt or ""
  local by_prompt = prompt and self.answers[prompt]
  local line
  if by_prompt ~= nil then
    line = answers.take(self.turns, prompt, by_prompt)
  else
    line = self.answers[self.given + 1]
    if line == nil then
      error(new_error { code = "input", retryable = false,
        message = ("neap.input: the fake has no answer for question %d, %s")
          :format(#self.prompts, prompt and ("%q"):format(prompt) or "which has no prompt") }, 0)
    end
    self.given = self.given + 1
  end
  if type(line) == "function" then line = line(prompt) end
  if line ~= nil and line ~= false and type(line) ~= "string" then
    error(("testing.input: an answer is a string, got a %s"):format(type(line)), 0)
  end
  return line or nil
end

--- Opens the fake.
---@param given table<integer|string, neap.testing.Line|neap.testing.Line[]>
---@return neap.testing.Input
function M.new(given)
  check_answers(given)
  local self = setmetatable({ answers = given, prompts = {}, turns = {}, given = 0,
    real = core.stream.ask }, FakeMeta)
  begin(self)
  core.stream.ask = function(prompt) return (self:ask(prompt)) end
  return self
end

return M
