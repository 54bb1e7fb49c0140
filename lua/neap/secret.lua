--- Secrets: texts such as keys that do not show themselves.
-- SPDX-License-Identifier: MIT
--
-- A secret is printed as `***`, and where a string is expected it is refused. So a text that
-- ends up in a log, in an error or in a file has none in it by accident. Functions of neap
-- that take a secret say so.
local class = require "neap.base.class"
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules

local M = {}

---@class neap.Secret
local Secret, SecretMeta = class("neap.Secret")

-- The texts, kept apart: who prints the fields of a secret prints none of them.
local texts = setmetatable({}, { __mode = "k" })

--- The text of the secret.
---@return string
function Secret:reveal()
  return texts[self]
end

-- What Lua and neap call it where they expected something else.
SecretMeta.__name = "neap.Secret, whose text secret:reveal() gives"
SecretMeta.__json = false -- for bindings/json/encode.c

function SecretMeta.__tostring() return "***" end

-- Refuses an operation that would need the text.
local function refuses(what)
  return function()
    options.blame(what .. "; secret:reveal() gives its text")
  end
end

SecretMeta.__concat = refuses "a secret cannot be concatenated"
SecretMeta.__len = refuses "a secret does not tell its length"
SecretMeta.__lt = refuses "a secret cannot be compared"
SecretMeta.__le = SecretMeta.__lt
SecretMeta.__newindex = refuses "a secret has no fields to be set"

--- Whether a value is a secret.
---@param value any
---@return boolean
function M.is(value)
  return texts[value] ~= nil
end

--- Makes a secret of a text; gives one as it is.
---@param text string|neap.Secret
---@return neap.Secret
function M.new(text)
  if M.is(text) then return text --[[@as neap.Secret]] end
  options.argument(1, "secret", text, rules.string)
  local secret = setmetatable({}, SecretMeta)
  texts[secret] = text
  return secret
end

--- The text of a secret; any other value as it is. For what sends the text to where it
--- belongs, and keeps it nowhere else.
---@generic T
---@param value T|neap.Secret
---@return T|string
function M.text(value)
  return texts[value] or value
end

return M
