--- The options of neap.serve.
-- SPDX-License-Identifier: MIT
local rules = require "neap.base.schema.rules"

local with, list, map, count = rules.with, rules.list, rules.map, rules.count
local boolean, seconds, whole = rules.boolean, rules.seconds, rules.whole

local names = list(rules.is_text, "list of strings")

---@class neap.serve.ListenOptions
local LISTEN = {
  routes = map, --- functions by method and path, as `["GET /runs/:id"]`; default: those of `route`
  --- what requests have to bring as `Authorization: Bearer TOKEN`; required unless the address
  --- is of this machine alone
  token = rules.rule(rules.is_text_or_secret, "string or secret"),
  open = with(boolean, false), --- anybody may send requests to an address that others reach
  --- names of the host that requests may have; default: on this machine `localhost` and
  --- the loopback addresses, elsewhere any
  hosts = names,
  origins = names, --- other origins whose pages may send requests, as `"https://example.com"`
  max_body = with(count, 16 * 1024 * 1024), --- the most bytes of a request's body
  max_connections = with(count, 1000), --- at once; more wait until others have ended
  head_timeout = with(seconds, 10), --- the limit for the head of a request, once it has begun
  body_timeout = with(seconds, 30), --- the longest wait for further bytes of a body
  write_timeout = with(seconds, 30), --- the longest that a client may hold up a write
  idle_timeout = with(seconds, 60), --- how long a connection without a request is kept
  backlog = with(whole(1, 0x7fffffff), 511), --- connections that wait to be accepted
}

return { ["serve.listen"] = LISTEN }
