--- The options of neap.testing, and of the answers that its fakes give.
-- SPDX-License-Identifier: MIT
local rules = require "neap.base.schema.rules"

local rule, with = rules.rule, rules.with
local any, boolean, text, map = rules.any, rules.boolean, rules.text, rules.map
local headers, integer, count = rules.headers, rules.integer, rules.count
local seconds_or_0 = rules.seconds_or_0

local errno = rule(function(value) return require "neap.testing.errno"[value] ~= nil end,
  'name of an errno such as "ENOENT"')

local RUN = { seed = with(count, 1) }
local SWEEP = { seed = count, max_steps = with(count, 10000) }
---@class neap.testing.Answer
local ANSWER = {
  status = with(integer, 200), --- the status
  headers = headers, --- the headers
  body = with(text, ""), --- the body
  json = any, --- instead of `body`: a value to encode
  chunks = map, --- instead of `body`: the pieces in which it comes
  delay = with(seconds_or_0, 0), --- the time before the head
  chunk_delay = with(seconds_or_0, 0), --- the time before each piece
  error = text, --- instead of a response: an error message; with `chunks`, it comes after them
  code = with(text, "http"), --- the `code` of that error
  retryable = with(boolean, true), --- the `retryable` of that error
}
---@class neap.testing.Outcome
local OUTCOME = {
  stdout = with(text, ""), --- its output
  stderr = with(text, ""), --- its error output
  code = with(integer, 0), --- its exit code
  signal = text, --- instead of a code: the signal that ends it, `"SIGSEGV"`
  delay = with(seconds_or_0, 0), --- the time that it takes
  error = errno, --- instead of all others: the reason why it cannot be started
}
---@class neap.testing.Peer
local PEER = {
  text = with(text, ""), --- the bytes that it sends before it closes the connection
  delay = with(seconds_or_0, 0), --- the time until the connection is made
  error = errno, --- instead of a connection: the reason why there is none
}

return { ["testing.run"] = RUN, ["testing.sweep"] = SWEEP, ["testing.http"] = ANSWER,
  ["testing.process"] = OUTCOME, ["testing.net"] = PEER }
