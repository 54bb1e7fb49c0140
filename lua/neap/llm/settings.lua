--- What clients and calls go by: options, the environment, addresses.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local new_error = require "neap.error".new
local options = require "neap.base.options"
local public = require "neap.http.response".public
local schema = require "neap.base.schema"

local M = {}

--- Gives the options of a call: its own, else the client's, else the defaults.
---@param given table
---@param client table
---@param where? "embed" what is called; default: it has the options of `chat`
---@return table
function M.merge(given, client, where)
  local all = {}
  for name, rule in pairs(schema.options[where or "chat"]) do
    local value = given[name]
    if value == nil then value = client[name] end
    if value == nil then value = rule.default end
    all[name] = value
  end
  return all
end

local CHOICES = { auto = true, none = true, required = true }

-- Refuses a choice of a tool that is not there.
local function check_choice(choice, names, where)
  if choice == nil or names[choice] or CHOICES[choice] and choice ~= "required" then return end
  local is_known, near = CHOICES[choice], options.nearest(choice, names)
  if next(names) == nil then
    options.blame(("%s: the option 'tool_choice' is \"%s\", but there are no tools"):format(
      where, choice))
  elseif not is_known then
    options.blame(("%s: the option 'tool_choice' names a tool that is not there, \"%s\"%s"):format(
      where, choice, near and ("; did you mean \"%s\"?"):format(near) or ""))
  end
end

--- Refuses tools that no vendor takes, and a choice of one that is not there.
---@param opts table
---@param where string the function's name, for messages
function M.check_tools(opts, where)
  local rules, names = schema.options["llm.tool"], {}
  for i, tool in ipairs(opts.tools or {}) do
    for _, name in ipairs { "name", "description", "parameters" } do
      local fault = tool[name] ~= nil and options.fault(name, tool[name], rules[name])
      if fault then options.blame(("%s: tool %d: %s"):format(where, i, fault)) end
    end
    if names[tool.name] then
      options.blame(("%s: there are two tools with the name '%s'"):format(where, tool.name))
    end
    names[tool.name] = true
  end
  local has_more = opts.extra and opts.extra.tools -- those of a vendor
  if not has_more then check_choice(opts.tool_choice, names, where) end
end

--- Gives the headers that both have, by their names in lower case; `more` wins.
---@param base? table
---@param more? table
---@return table
function M.headers(base, more)
  local all = {}
  for name, value in pairs(base or {}) do all[name:lower()] = value end
  for name, value in pairs(more or {}) do all[name:lower()] = value end
  return all
end

--- Returns the value of an environment variable, nil also for an empty one.
---@param name string
---@return string|nil
function M.environment(name)
  local value = core.getenv(name)
  return value ~= "" and value or nil
end

--- Returns the address in NEAP_LLM_URL, nil if there is none. Raises an error object
--- for what is no address: not the script is wrong but its surroundings.
---@return string|nil
function M.url()
  local url = M.environment("NEAP_LLM_URL")
  if url and not schema.options["llm.new"].url.test(url) then
    local shown = public(url):gsub("^[^/]*@", "")
    error(new_error { code = "llm", kind = "request", retryable = false,
      message = "NEAP_LLM_URL is no http URL: " .. shown }, 0)
  end
  return url
end

--- Reads what NEAP_LLM_CASSETTE says; nil if nothing.
---@return "record"|"replay"|nil
---@return string|nil path
function M.cassette()
  local value = M.environment("NEAP_LLM_CASSETTE")
  if not value then return nil end
  local mode, path = value:match("^(%l+):(.+)$")
  if mode == "record" or mode == "replay" then return mode, path end
  error(new_error { code = "llm", kind = "cassette", retryable = false,
    message = "NEAP_LLM_CASSETTE is neither record:PATH nor replay:PATH" }, 0)
end

--- Joins the base of an address and the path of a request. A base may have a version
--- in it, or be the whole already; its query stays.
---@param base string
---@param version string "/v1"
---@param path string "/chat/completions", may have a query
---@return string
function M.join(base, version, path)
  local before, query = base:match("^([^?#]*)%??([^#]*)")
  local plain, more = path:match("^([^?]*)%??(.*)$")
  before = before:gsub("/+$", "")
  if before:sub(-#plain) ~= plain then
    local has_version = before:match("^%a+://[^/]*(.*)$"):find("/v%d[%w]*%f[/\0]")
    before = before .. (has_version and "" or version) .. plain
  end
  if query ~= "" and more ~= "" then query = query .. "&" end
  query = query .. more
  return query == "" and before or before .. "?" .. query
end

--- Returns a base without the path that it may end with: who gave the whole address for
--- one kind of request wants another one now.
---@param base string
---@param path? string
---@return string
function M.without_path(base, path)
  local before, rest = base:match("^([^?#]-)/*([?#].*)$")
  before, rest = before or base:gsub("/+$", ""), rest or ""
  if not path or before:sub(-#path) ~= path then return base end
  return before:sub(1, -#path - 1) .. rest
end

-- Whether a table is one of names and values.
local function is_object(value)
  return type(value) == "table" and value[1] == nil
end

--- Merges one table with another, which wins; what are objects in both are merged as
--- well. Neither is changed.
---@param base table
---@param more table
---@return table
function M.merged(base, more)
  local all = setmetatable({}, getmetatable(base)) -- with its order of keys
  for name, value in pairs(base) do all[name] = value end
  for name, value in pairs(more) do
    local both = is_object(value) and is_object(base[name])
    all[name] = both and M.merged(base[name], value) or value
  end
  return all
end

return M
