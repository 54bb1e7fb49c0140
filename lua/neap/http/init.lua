--- HTTP requests.
-- SPDX-License-Identifier: MIT
local base64 = require "neap.base.base64"
local core = require "neap.core"
local dates = require "neap.http.date"
local new_error = require "neap.error".new
local jars = require "neap.http.jar"
local options = require "neap.base.options"
local responses = require "neap.http.response"
local retry = require "neap.http.retry"
local schema = require "neap.base.schema"
local secrets = require "neap.secret"

local json = core.json

local http = {}

local MAX_REDIRECTS = schema.options["http.request"].max_redirects.default

local function is_string(value)
  return type(value) == "string"
end

local function is_scalar(value)
  return type(value) == "string" or type(value) == "number"
end

-- Returns a table with the fields of `base` and those of `more`.
local function extend(base, more)
  for name, value in pairs(base) do more[name] = value end
  return more
end

local BODIES = { body = true, file = true, json = true } -- a request has one at most

-- Whether a value can stand in a query.
local function is_query_value(value)
  return is_scalar(value) or type(value) == "boolean"
end

-- Whether a table is a list of such values and nothing else.
local function is_query_list(value)
  if type(value) ~= "table" then return false end
  local count = 0
  for key, item in pairs(value) do
    if math.type(key) ~= "integer" or not is_query_value(item) then return false end
    count = count + 1
  end
  return count == #value
end

-- Returns what is wrong with a query, nil if nothing is. The message has none of its
-- values, which may be secrets.
local function query_fault(query)
  for name, value in pairs(query) do
    if type(name) ~= "string" or name == "" then
      return ("the option 'query' has an entry without a name, at %s; write { name = value }")
        :format(name == "" and '""' or is_scalar(name) and ("[%s]"):format(name) or type(name))
    elseif secrets.is(value) then
      return ("the option 'query': '%s' is a secret, and addresses are written to logs; use a "
        .. "header, or give what secret:reveal() gives"):format(name)
    elseif not is_query_value(value) and not is_query_list(value) then
      return ("the option 'query': '%s' is a string, a number, a boolean or a list of these, "
        .. "got a %s"):format(name, type(value) == "table" and "table that is none" or type(value))
    end
  end
end

-- Returns what is wrong with the option auth, nil if nothing is.
local function auth_fault(opts)
  for name in pairs(opts.headers or {}) do
    if name:lower() == "authorization" then
      return ("the option 'auth' and the header '%s' exclude each other"):format(name)
    end
  end
  local user = opts.auth.user
  if user and secrets.text(user):find(":", 1, true) then
    return "the option 'auth': Basic has no user with a colon in its name"
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
  return opts.query and query_fault(opts.query) or opts.auth and auth_fault(opts)
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

-- Returns the header for what the option auth says. It is a secret if a part of it is one.
local function authorization(auth)
  local value = auth.bearer and "Bearer " .. secrets.text(auth.bearer)
    or "Basic " .. base64.encode(secrets.text(auth.user) .. ":" .. secrets.text(auth.password))
  for _, part in pairs(auth) do
    if secrets.is(part) then return secrets.new(value) end
  end
  return value
end

-- Returns the headers as a flat list of names and values, sorted by name, and those that are
-- secrets by their names in lower case. Those in `more`, which may be nil, are used unless
-- the caller has set them.
local function header_list(headers, more)
  if not (next(headers) or more) then return nil, nil end
  local given, hidden = {}, nil
  for name in pairs(headers) do given[name:lower()] = true end
  local all = {}
  for name, value in pairs(more or {}) do
    if not given[name] then all[name] = value end
  end
  extend(headers, all)
  local list = {}
  for _, name in ipairs(sorted_keys(all)) do
    local value = all[name]
    if secrets.is(value) then
      hidden = hidden or {}
      hidden[name:lower()] = value
    end
    list[#list + 1] = name
    list[#list + 1] = tostring(secrets.text(value))
  end
  return list, hidden
end

-- Returns the response of the binding, or raises the error that it has returned.
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

-- Returns the request for the binding: the options, some of them in the form that it takes.
-- It ignores those that it does not need (bindings/http/http.c).
local function make_request(url, method, opts, headers)
  local body, more = opts.body, nil
  if opts.json ~= nil then
    body = json.encode(opts.json)
    more = { ["content-type"] = "application/json" }
  end
  if opts.auth then
    more = more or {}
    more.authorization = authorization(opts.auth)
  end
  local request = extend(opts, {})
  request.url = opts.query and with_query(url, opts.query) or url
  request.method = method
  request.headers, request.hidden = header_list(headers, more)
  request.key_password = secrets.text(opts.key_password)
  request.body = is_string(body) and body or nil
  request.max_redirects = opts.max_redirects or MAX_REDIRECTS
  request.cookies = opts.cookies and opts.cookies.held
  request.proxy = opts.proxy == false and "" or secrets.text(opts.proxy)
  return request
end

-- Returns the headers, with those in `more` replacing headers of the same names.
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
  local response = require "neap.http.upload".perform(what, opts, function(upload, is_fresh)
    request.upload = upload
    request.fresh_connection = is_fresh or opts.fresh_connection
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

-- Sends a request. Wrong options are raised at the line of the script. A request that cannot
-- be sent raises an error object, because its text may come from elsewhere.
local function send(what, url, method, opts)
  local wrong = fault(opts) or retry.fault(opts, method)
  if wrong then options.blame(("%s: %s"):format(what, wrong)) end
  if opts.stream or opts.max_retries or has_upload(opts) then
    opts = extend(opts, {}) -- a copy, since it is read again after waiting
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

-- The request for a GET without options, which lacks the address.
local PLAIN_GET = { method = "GET", max_redirects = MAX_REDIRECTS }

-- Does what `send` does for a GET without options.
local function get(url)
  return (received("http.get", core.http.request("http.get", PLAIN_GET, url)))
end

--- Sends a request and waits for the whole response, whatever its status; with `stream` only
--- for its head.
---
--- If there is no response, raises an error object of code "http", or "timeout" after one of
--- the three time limits. Its `retryable` tells whether the same request may succeed later;
--- its `url` has neither query nor user. With `check`, a status from 400 also raises code
--- "http", with `status`, `body` and, if the server named a time, `retry_after`. A request
--- that cannot be sent (a line break in a header, a scheme other than http and https) raises
--- code "http", not retryable. Misuse (an unknown option, a wrong type) is an ordinary error.
---
--- With `max_retries`, the request is sent again after an error that is retryable and after
--- the statuses 408, 425, 429, 502, 503 and 504. It waits at least as long as Retry-After
--- says. The outcome is that of the last attempt.
---
--- Headers, `auth`, `proxy` and `key_password` take secrets of neap.secret as well as strings.
---
--- A redirect to another origin takes along no user and password, and no headers but Accept,
--- Cache-Control, Content-*, If-*, Range and User-Agent.
---@param opts neap.http.RequestOptions
---@return neap.http.Response
function http.request(opts)
  opts = options.check(opts, "http.request")
  if opts.url == nil then options.blame("http.request: the option 'url' is missing") end
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

-- Returns the function of a method.
local function method_function(method)
  local name = method:lower()
  local what = "http." .. name
  return function(url, opts)
    options.argument(1, name, url, schema.rules.string)
    opts = options.check(opts, what)
    local response = send(what, url, method, opts)
    return response
  end
end

--- Sends a GET request; see request.
---@param url string
---@param opts? neap.http.Options
---@return neap.http.Response
function http.get(url, opts)
  options.argument(1, "get", url, schema.rules.string)
  if opts == nil then
    local response = get(url)
    return response
  end
  opts = options.check(opts, "http.get")
  local response = send("http.get", url, "GET", opts)
  return response
end

--- Sends a HEAD request, whose response has no body; see request.
---@type fun(url: string, opts?: neap.http.Options): neap.http.Response
http.head = method_function("HEAD")

--- Sends a POST request; see request.
---@type fun(url: string, opts?: neap.http.PostOptions): neap.http.Response
http.post = method_function("POST")

--- Sends a PUT request; see request.
---@type fun(url: string, opts?: neap.http.PostOptions): neap.http.Response
http.put = method_function("PUT")

--- Sends a PATCH request; see request.
---@type fun(url: string, opts?: neap.http.PostOptions): neap.http.Response
http.patch = method_function("PATCH")

--- Sends a DELETE request; see request.
---@type fun(url: string, opts?: neap.http.PostOptions): neap.http.Response
http.delete = method_function("DELETE")

http.jar = jars.new

http.retry_after = dates.retry_after

return http
