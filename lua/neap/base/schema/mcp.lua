--- The options of neap.mcp.
-- SPDX-License-Identifier: MIT
local rules = require "neap.base.schema.rules"

local rule, with, is_text, list = rules.rule, rules.with, rules.is_text, rules.list
local text, func, map, headers = rules.text, rules.func, rules.map, rules.request_headers
local seconds, seconds_or_0 = rules.seconds, rules.seconds_or_0

local llm = require "neap.base.schema.llm"["llm.tool"]

local function is_tool(value)
  return type(value) == "table" and type(value.name) == "string"
end

---@class neap.mcp.ConnectOptions
local CONNECT = {
  --- the server is this program; its arguments follow it
  command = list(is_text, "list of strings", 1),
  env = map, --- variables of the program, added to ours; `false` removes one
  --- the server is at this address
  url = rule(function(value) return is_text(value) and value:find("^https?://[^/?#]") ~= nil end,
    "URL that begins with http:// or https://"),
  headers = headers, --- of all requests to that address
  timeout = with(seconds, 60), --- the limit of connecting, and of each call
  --- how long a program may take to answer in the new way before it is asked in the old one;
  --- 0: ask only in the old one
  probe = with(seconds_or_0, 1),
  on_notification = func, --- gets the method and the params of each notification
}

---@class neap.mcp.ToolOptions
local TOOL = {
  name = llm.name, --- by it the tool is called
  description = text, --- tells the model what it is for
  parameters = map, --- a schema, or the fields of one
}

local stream = rule(function(value)
  return type(value) == "table" and type(value.lines) == "function"
    and type(value.write) == "function"
end, "stream")

---@class neap.mcp.ServeOptions
local SERVE = {
  name = with(text, "neap"), --- of the server
  version = with(text, "1"), --- of the server
  instructions = text, --- what models should know of the server
  --- what can be called: of `llm.tool` or `mcp.tool`
  tools = list(is_tool, "list of tools"),
  input = stream, --- it is read in place of the standard input; with `output`
  output = stream, --- it is written to in place of the standard output; with `input`
}

return {
  ["mcp.connect"] = CONNECT, ["mcp.tool"] = TOOL, ["mcp.serve"] = SERVE,
  tools = { prefix = with(text, "") },
}
