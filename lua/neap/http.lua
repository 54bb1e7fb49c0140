--- HTTP requests that wait for their response.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local dates = require "neap.http_date"
local new_error = require "neap.error".new
local jars = require "neap.http_jar"
local options = require "neap.options"
local responses = require "neap.http_response"
local retry = require "neap.http_retry"

local json = core.json

local http = {}

---@class neap.http.Options
---@field headers? table<string, string|number> replace what neap would send by itself
---@field query? table<string, string|number|boolean|(string|number|boolean)[]> added to
--- the address, sorted by name; a list repeats its name. An entry without a name is an error
---@field timeout? number seconds for one attempt, redirects and the body included; default:
--- no limit
---@field connect_timeout? number seconds until there is a connection; default: 30
---@field idle_timeout? number seconds without a byte moved on a connection, but for those
--- in which it waits for us; default: no limit
---@field max_redirects? integer how many are followed; default: 10
---@field max_body? integer bytes of the decoded body; default: 64 MiB, with `stream` no limit
---@field ca_file? string PEM file of the certificates to trust instead of the system's
---@field cert_file? string PEM file of a certificate to show to servers that ask
---@field key_file? string PEM file of its key; default: it is in `cert_file`
---@field key_password? string of the key, if it has one
---@field proxy? string|false the URL of a proxy (http, https, socks5, socks5h), for
--- all hosts; false: none; default: as the environment says (http_proxy, ...)
---@field unix_socket? string the path of a local socket to connect to, whatever the host of
--- the address is; redirects stay on it
---@field fresh_connection? boolean go out on a new connection, not on one that was kept;
--- default: false
---@field max_idle? number seconds: go out on no connection that has been idle for longer;
--- counted in whole seconds; default: 118
---@field cookies? neap.http.Jar where cookies are kept; default: none are
---@field check? boolean raise an error for a status from 400; default: false
---@field stream? boolean return as soon as the head is there, and read the body piece by
--- piece: with read, read_some, lines, chunks or events of the response; default: false
---@field max_retries? integer how often it is sent at most, 1 or more; default: 1
---@field wait? number seconds between attempts; default: 0
---@field backoff? number multiplies `wait` after each; default: 1
---@field max_wait? number caps it, but for what a Retry-After asks; default: no cap
---@field max_retry_after? number seconds: an answer that asks for more is not followed
--- by another attempt; default: 120
---@field jitter? number 0 to 1: takes off up to this share of a wait; default: 0
---@field idempotent? boolean whether sending it twice is no worse than once; default:
--- by the method, true for GET, HEAD, PUT, DELETE, OPTIONS and TRACE

---@class neap.http.PostOptions: neap.http.Options
---@field body? string|fun(): string|nil the body, or a function that is called for its
--- pieces, gives nil at the end, and may wait: it runs in a task of its own
---@field body_size? integer bytes of what the function gives; unless it is known they are
--- sent in chunks
---@field file? string instead of a body: the path of a file to send
---@field json? any instead of a body: a value to encode, sent as application/json

---@class neap.http.RequestOptions: neap.http.PostOptions
---@field url string the address, http or https
---@field method? string default: "GET", with a body "POST"

local MAX_REDIRECTS = 10

local function is_string(value)
  return type(value) == "string"
end

local function is_seconds(value)
  return type(value) == "number" and value > 0
end

local function is_count(value)
  return math.type(value) == "integer" and value >= 0
end

local function is_table(value)
  return type(value) == "table"
end

local function is_boolean(value)
  return type(value) == "boolean"
end

local function is_body(value)
  return type(value) == "string" or type(value) == "function"
end

local function is_scalar(value)
  return type(value) == "string" or type(value) == "number"
end

-- What each option must be, and how that is called.
local COMMON = {
  headers = { is_table, "table" },
  query = { is_table, "table" },
  timeout = { is_seconds, "positive number of seconds" },
  connect_timeout = { is_seconds, "positive number of seconds" },
  idle_timeout = { is_seconds, "positive number of seconds" },
  max_redirects = { is_count, "whole number from 0" },
  max_body = { function(v) return is_count(v) and v > 0 end, "whole number from 1" },
  ca_file = { is_string, "string" },
  cert_file = { is_string, "string" },
  key_file = { is_string, "string" },
  key_password = { is_string, "string" },
  proxy = { function(v) return v == false or is_string(v) and v ~= "" end, "URL or false" },
  unix_socket = { is_string, "string" },
  fresh_connection = { is_boolean, "boolean" },
  max_idle = { is_seconds, "positive number of seconds" },
  cookies = { jars.is, "jar of http.jar" },
  check = { is_boolean, "boolean" },
  stream = { is_boolean, "boolean" },
}

-- Returns a table with all that `base` has and more.
local function extend(base, more)
  for name, value in pairs(base) do more[name] = value end
  return more
end

extend(retry.OPTIONS, COMMON)

local GET = extend(COMMON, {})
local POST = extend(COMMON, {
  body = { is_body, "string or function" },
  body_size = { is_count, "whole number from 0" },
  file = { is_string, "string" },
  json = { function() return true end, "any value" },
})
local REQUEST = extend(POST, {
  url = { is_string, "string" },
  method = { is_string, "string" },
})

local BODIES = { body = true, file = true, json = true } -- a request has one at most

-- Returns how a value is told in a message: its type, numbers themselves.
local function described(value)
  return type(value) == "number" and tostring(value) or type(value)
end

-- Whether a value can stand in a query.
local function is_query_value(value)
  return is_scalar(value) or is_boolean(value)
end

-- Whether a table is a list of such values, and nothing else.
local function is_query_list(value)
  if not is_table(value) then return false end
  local count = 0
  for key, item in pairs(value) do
    if math.type(key) ~= "integer" or not is_query_value(item) then return false end
    count = count + 1
  end
  return count == #value
end

-- Returns what is wrong with a query, nil if nothing is. Its values are not told,
-- for they may be secrets.
local function query_fault(query)
  for name, value in pairs(query) do
    if type(name) ~= "string" or name == "" then
      return ("the option 'query' has an entry without a name, at %s; write { name = value }")
        :format(name == "" and '""' or is_scalar(name) and ("[%s]"):format(name) or described(name))
    elseif not is_query_value(value) and not is_query_list(value) then
      return ("the option 'query': '%s' is a string, a number, a boolean or a list of these, "
        .. "got a %s"):format(name, is_table(value) and "table that is none" or type(value))
    end
  end
end

-- Returns what is wrong with the options together, nil if nothing is.
local function fault(opts)
  local body
  for name in pairs(opts) do
    if BODIES[name] then
      if body then
        if name < body then body, name = name, body end
        return ("the options '%s' and '%s' exclude each other"):format(body, name)
      end
      body = name
    end
  end
  if opts.body_size and type(opts.body) ~= "function" then
    return "the option 'body_size' is for a body that is a function"
  end
  local wrong = opts.query and query_fault(opts.query)
  if wrong then return wrong end
  if not opts.headers then return nil end
  for name, value in pairs(opts.headers) do
    if type(name) ~= "string" or not is_scalar(value) then
      return "headers are strings or numbers by their names"
    end
  end
end

-- Returns the keys of a table that are strings, sorted.
local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = tostring(key) end
  table.sort(keys)
  return keys
end

-- Percent-encodes all but the unreserved characters of RFC 3986 section 2.3.
local function escape(value)
  return (tostring(value):gsub("[^%w%-._~]", function(c)
    return ("%%%02X"):format(c:byte())
  end))
end

-- Returns the address with the query added, before its fragment if it has one.
local function with_query(url, query)
  local parts = {}
  for _, name in ipairs(sorted_keys(query)) do
    local value = query[name]
    for _, item in ipairs(type(value) == "table" and value or { value }) do
      parts[#parts + 1] = escape(name) .. "=" .. escape(item)
    end
  end
  if #parts == 0 then return url end
  local before, fragment = url:match("^([^#]*)(.*)$")
  local joint = not before:find("?", 1, true) and "?" or before:find("[?&]$") and "" or "&"
  return before .. joint .. table.concat(parts, "&") .. fragment
end

-- Returns the headers as a flat list of names and values, sorted by name.
-- `more`, which may be nil, are used where the caller has none of that name.
local function header_list(headers, more)
  if not (next(headers) or more) then return nil end
  local given = {}
  for name in pairs(headers) do given[name:lower()] = true end
  local all = {}
  for name, value in pairs(more or {}) do
    if not given[name] then all[name] = value end
  end
  extend(headers, all)
  local list = {}
  for _, name in ipairs(sorted_keys(all)) do
    list[#list + 1] = name
    list[#list + 1] = tostring(all[name])
  end
  return list
end

-- Returns the response that the binding gave, or raises why there is none.
local function received(what, response, why)
  if not response then
    error(new_error {
      code = "http",
      message = ("%s: %s"):format(what, why),
      retryable = false,
    }, 0)
  end
  return responses.new(response)
end

-- Makes one attempt to send a request.
local function attempt(what, request)
  return (received(what, core.http.request(what, request)))
end

-- Returns what the binding is to send.
local function make_request(url, method, opts, headers)
  local body, more = opts.body, nil
  if opts.json ~= nil then
    body = json.encode(opts.json)
    more = { ["content-type"] = "application/json" }
  end
  return {
    url = opts.query and with_query(url, opts.query) or url,
    method = method,
    headers = header_list(headers, more),
    body = is_string(body) and body or nil,
    timeout = opts.timeout,
    connect_timeout = opts.connect_timeout,
    idle_timeout = opts.idle_timeout,
    max_redirects = opts.max_redirects or MAX_REDIRECTS,
    max_body = opts.max_body,
    ca_file = opts.ca_file,
    cert_file = opts.cert_file,
    key_file = opts.key_file,
    key_password = opts.key_password,
    proxy = opts.proxy == false and "" or opts.proxy,
    jar = opts.cookies and opts.cookies.held,
    stream = opts.stream,
    idempotent = opts.idempotent,
    unix_socket = opts.unix_socket,
    fresh_connection = opts.fresh_connection,
    max_idle = opts.max_idle,
  }
end

-- Returns the headers with `more` in the place of those of the same names.
local function with_headers(headers, more)
  local all = {}
  for name, value in pairs(headers) do
    local replaced = false
    for other in pairs(more) do replaced = replaced or name:lower() == other:lower() end
    if not replaced then all[name] = value end
  end
  return extend(more, all)
end

local function has_upload(opts)
  return opts.file or type(opts.body) == "function"
end

-- Makes one attempt to send a request whose body comes from a file or a function.
local function attempt_upload(what, request, opts)
  local response = require "neap.http_upload".perform(what, opts, function(upload)
    request.upload = upload
    return attempt(what, request)
  end)
  return response
end

-- Sends a request as often as the options say, with these headers.
local function perform(what, url, method, opts, headers)
  local check = opts.check
  local response = retry.perform(what, opts, has_upload(opts) and attempt_upload or attempt,
    what, make_request(url, method, opts, headers), opts)
  if check and response.status >= 400 then
    response:refuse(("status %d"):format(response.status))
  end
  return response
end

-- Sends a request. Options that make no sense are raised at the caller of our
-- caller; the text of a request, which need not be written by whoever called,
-- is an error object.
local function send(what, url, method, opts)
  local wrong = fault(opts) or retry.fault(opts, method)
  if wrong then error(("%s: %s"):format(what, wrong), 3) end
  if opts.stream or opts.max_retries or has_upload(opts) then
    opts = extend(opts, {}) -- it is looked at again after waiting
  end
  local headers = opts.headers or {}
  local response = perform(what, url, method, opts, headers)
  if opts.stream then
    response.no_resend = retry.why_not_again(opts, method, "reconnect")
    function response.resend(more)
      local other = perform(what, url, method, opts, with_headers(headers, more))
      return other
    end
  end
  return response
end

local function check_url(url, name)
  if type(url) ~= "string" then
    error(("bad argument #1 to '%s' (string expected, got %s)"):format(name, described(url)), 3)
  end
end

-- What the binding is to send for a GET without options, but for its address.
local PLAIN_GET = { method = "GET", max_redirects = MAX_REDIRECTS }

-- Does what `send` would without options.
local function get(url)
  return (received("http.get", core.http.request("http.get", PLAIN_GET, url)))
end

--- Sends a request and waits for the whole response, whatever its status; with
--- `stream` only for its head.
---
--- Raises an error object of code "http", or "timeout" where one of the three
--- time limits has passed, when there is no response: its `retryable` tells
--- whether the same request may well succeed later, its `url` has neither query
--- nor user. With `check`, a status from 400 raises one of code "http" too, with
--- `status`, `body` and, if the server named a time, `retry_after`. So does a
--- request that cannot be sent (a line break in a header, a scheme other than
--- http and https), not retryable. Misuse (an unknown option, one of the wrong
--- kind) is an ordinary error.
---
--- With `max_retries` it is sent again, as a node tries again, after an error
--- that is retryable and after the statuses 408, 425, 429, 502, 503 and 504; a
--- Retry-After is waited for at least. What the last attempt gave is the outcome.
---
--- A redirect to another origin takes along no user and password, and no
--- headers but Accept, Cache-Control, Content-*, If-*, Range and User-Agent.
---@param opts neap.http.RequestOptions
---@return neap.http.Response
function http.request(opts)
  opts = options.check(opts, REQUEST, "http.request")
  if opts.url == nil then error("http.request: the option 'url' is missing", 2) end
  local method = opts.method
  if method == nil then
    local has_body = opts.body ~= nil or opts.json ~= nil or opts.file ~= nil
    method = has_body and "POST" or "GET"
  elseif is_string(method) then
    method = method:upper()
  end
  local response = send("http.request", opts.url, method, opts)
  return response
end

-- Returns a function of a method that takes these options.
local function method_function(method, rules)
  local name = method:lower()
  local what = "http." .. name
  return function(url, opts)
    check_url(url, name)
    opts = options.check(opts, rules, what)
    local response = send(what, url, method, opts)
    return response
  end
end

--- The same with the method GET.
---@param url string
---@param opts? neap.http.Options
---@return neap.http.Response
function http.get(url, opts)
  check_url(url, "get")
  if opts == nil then
    local response = get(url)
    return response
  end
  opts = options.check(opts, GET, "http.get")
  local response = send("http.get", url, "GET", opts)
  return response
end

--- The same with the method HEAD: the response has no body.
---@type fun(url: string, opts?: neap.http.Options): neap.http.Response
http.head = method_function("HEAD", GET)

--- The same with the method POST.
---@type fun(url: string, opts?: neap.http.PostOptions): neap.http.Response
http.post = method_function("POST", POST)

--- The same with the method PUT.
---@type fun(url: string, opts?: neap.http.PostOptions): neap.http.Response
http.put = method_function("PUT", POST)

--- The same with the method PATCH.
---@type fun(url: string, opts?: neap.http.PostOptions): neap.http.Response
http.patch = method_function("PATCH", POST)

--- The same with the method DELETE.
---@type fun(url: string, opts?: neap.http.PostOptions): neap.http.Response
http.delete = method_function("DELETE", POST)

http.jar = jars.new

http.retry_after = dates.retry_after

return http
