--- The options of neap.http and of the events of its responses.
-- SPDX-License-Identifier: MIT
local rules = require "neap.base.schema.rules"

local rule, with, extend, is_text = rules.rule, rules.with, rules.extend, rules.is_text
local is_text_or_secret = rules.is_text_or_secret
local any, boolean, text, map = rules.any, rules.boolean, rules.text, rules.map
local headers, count_or_0, count = rules.request_headers, rules.count_or_0, rules.count
local attempts, seconds, factor = rules.attempts, rules.seconds, rules.factor

-- Whether a value has `bearer`, or `user` and `password`, and nothing else.
local function is_auth(value)
  if type(value) ~= "table" then return false end
  local wanted = value.bearer ~= nil and { "bearer" } or { "user", "password" }
  local fields = 0
  for _ in pairs(value) do fields = fields + 1 end
  for _, name in ipairs(wanted) do
    if not is_text_or_secret(value[name]) then return false end
  end
  return fields == #wanted
end

---@class neap.http.Options
local GET = extend(rules.ATTEMPTS, {
  headers = headers, --- they replace what neap would send by itself
  --- sent as the header Authorization: a token as it is, or user and password by Basic
  auth = rule(is_auth, "table with bearer, or with user and password, strings or secrets"),
  --- strings, numbers, booleans, or lists of these, by name. They are added to the address,
  --- sorted; a list repeats its name
  query = map,
  stream = with(boolean, false), --- return with the head; the body is read later
  timeout = seconds, --- the limit of one attempt, redirects and body included
  connect_timeout = with(seconds, 30), --- the limit until there is a connection
  --- the limit of a time without a byte in either direction. Time in which the server waits
  --- for us does not count
  idle_timeout = seconds,
  max_redirects = with(count_or_0, 10), --- the number of redirects that are followed
  max_body = count, --- the most bytes of the decoded body
  ca_file = text, --- path of a PEM file with the certificates to trust instead of the system's
  cert_file = text, --- path of a PEM file with a certificate for servers that ask for one
  key_file = text, --- path of a PEM file with its key
  --- the password of the key
  key_password = rule(is_text_or_secret, "string or secret"),
  --- the proxy for all hosts; false for none
  proxy = rule(function(value)
    return value == false or is_text_or_secret(value) and value ~= ""
  end, "URL, secret or false"),
  --- path of a local socket to connect to, whatever the host is; not with `proxy`
  unix_socket = text,
  --- use a new connection, not one that was kept
  fresh_connection = with(boolean, false),
  --- use no connection that has been idle for longer; rounded down to whole seconds
  max_idle = with(seconds, 118),
  --- the jar that keeps cookies
  cookies = rule(function(value) return require "neap.http.jar".is(value) end,
    "jar of http.jar"),
  check = with(boolean, false), --- a status from 400 raises
  idempotent = boolean, --- sending the request twice does no harm
})

---@class neap.http.PostOptions: neap.http.Options
local POST = extend(GET, {
  --- a function returns strings, and nil at the end
  body = rule(function(value) return is_text(value) or type(value) == "function" end,
    "string or function"),
  body_size = count_or_0, --- bytes that the function returns; without it they are sent in chunks
  file = text, --- path of a file to send; excludes `body`
  json = any, --- sent as JSON; excludes `body` and `file`
})

---@class neap.http.RequestOptions: neap.http.PostOptions
local REQUEST = extend(POST, {
  url = text, --- the address, http or https
  method = text, --- any method, in upper or lower case
})

---@class neap.http.EventOptions
local EVENTS = extend(rules.ATTEMPTS, {
  reconnect = with(boolean, false), --- connect again when the stream ends or breaks
  max_retries = attempts, --- the attempts in a row
  -- Where the standard leaves the choice: a few seconds, more after each failure.
  wait = with(seconds, 3), --- the wait before an attempt, unless the server names one
  backoff = with(factor, 2), --- the factor after each failure
  max_wait = with(seconds, 60), --- the longest wait, unless the server names a longer one
})

local options = { ["http.get"] = GET, ["http.head"] = GET, ["http.request"] = REQUEST,
  events = EVENTS }
for _, method in ipairs { "post", "put", "patch", "delete" } do
  options["http." .. method] = POST
end
return options
