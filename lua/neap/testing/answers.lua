--- The answers of the fakes of neap.testing, and their turns.
-- SPDX-License-Identifier: MIT
local nodes = require "neap.flow.node"
local options = require "neap.base.options"
local schema = require "neap.base.schema"

local M = {}

--- Whether answers are a list, to be given one after the other.
---@param answers any
---@return boolean
function M.is_list(answers)
  return type(answers) == "table" and #answers > 0
end

--- Checks the table that a fake is made of.
---@param given any
---@param name string the fake
---@param what string the contents of the table, in words
function M.check_all(given, name, what)
  options.argument(1, name, given, { test = function(value)
    return type(value) == "table" and not nodes.state(value)
  end, expected = "table of " .. what })
end

--- Checks one answer and returns it as a table.
---@param answer any
---@param fake string its name in neap.base.schema
---@param plain string the field for an answer that is a string
---@param key string the key of the answer, for messages
---@return table
function M.check(answer, fake, plain, key)
  if type(answer) == "string" then return { [plain] = answer } end
  local where = ("%s: %s"):format(fake, key)
  if type(answer) ~= "table" then
    options.blame(("%s: an answer is a table or a string, got a %s"):format(where, type(answer)))
  end
  return (options.check(answer, where, schema.options[fake]))
end

--- The answer whose turn it is. The answers of a list are given one after the other, the
--- last one again and again.
---@param turns table<string, integer> the number of times that each key was used; updated
---@param key string
---@param answers any
---@return any
function M.take(turns, key, answers)
  local turn = (turns[key] or 0) + 1
  turns[key] = turn
  if M.is_list(answers) then return answers[math.min(turn, #answers)] end
  return answers
end

--- The longest key that fits a text: the text itself, or its beginning followed by "*".
---@param answers table<string, any>
---@param text string
---@return string|nil key
function M.longest(answers, text)
  local best
  for key in pairs(answers) do
    local beginning = key:match("^(.*)%*$")
    if (key == text or beginning and text:sub(1, #beginning) == beginning)
      and (not best or #key > #best or key == text) then
      best = key
    end
  end
  return best
end

return M
