--- What a call of a model comes to: the event "llm" of the run in which it ends.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local core = require "neap.core"
local emit = require "neap.flow.emit"
local fold = require "neap.llm.fold"

local M = {}

---@class neap.llm.Account of one call, however many requests it takes
---@field what string the function's name
---@field began number
---@field usage table of all its requests; `calls` counts them
---@field total? table the usage of the client of several that asks one of them
---@field provider string that was asked last
---@field model? string that was asked last
---@field private has_ended? boolean
local Account, AccountMeta = class("neap.llm.Account")

--- Begins the account of a call.
---@param what string the function's name
---@param client neap.llm.Client
---@param total? table the usage of the client, if it asks others
---@return neap.llm.Account
function M.open(what, client, total)
  local usage = fold.usage(client.usage.cost and 0)
  usage.calls = 0
  return setmetatable({ what = what, began = core.now(), usage = usage, total = total,
    provider = client.provider, model = client.model }, AccountMeta)
end

--- Notes whom a request is sent to. What it uses is added to `usage` by who sends it.
---@param provider neap.llm.Provider
---@param model? string
function Account:ask(provider, model)
  self.provider, self.model = provider.name, model
end

-- Why a call has failed, in a word; nil for what is no failure of a call, such as an
-- argument that is none.
local function word_of(self, err)
  if type(err) == "table" and type(err.code) == "string" then
    return err.code == "llm" and err.kind or err.code
  end
  return self.usage.calls > 0 and "user" or nil
end

--- Ends the account, the first time that it is called: tells the observers of the run. A
--- call that has failed before it sent anything has an event, too; one that was given up
--- by then has none. Neither keys nor prompts nor answers are in it.
---@param err? any what the call raises
---@param reply? neap.llm.Reply what it gives
function Account:close(err, reply)
  if self.has_ended then return end
  self.has_ended = true
  local usage, failed = {}, err ~= nil and word_of(self, err) or nil
  local attempts = self.usage.calls
  if attempts == 0 and not failed then return end
  for _, name in ipairs(fold.COUNTS) do usage[name] = self.usage[name] end
  usage.cost = self.usage.cost
  emit("llm", { call = self.what, provider = self.provider,
    model = self.model or reply and reply.model, usage = usage, cost = usage.cost,
    seconds = core.now() - self.began, attempts = attempts, stop = reply and reply.stop,
    failed = failed })
end

-- A `<close>` variable that goes without a reply was left by an error, or the call was
-- given up.
AccountMeta.__close = Account.close

return M
