-- What the specs of the examples share: each is run as a user would run it, without a
-- model or with one that the spec plays.
-- SPDX-License-Identifier: MIT
local assert = require "luassert"
local helper = require "spec.helper"
local json = require "neap.json"
local neap = require "neap"
local servers = require "spec.servers"

local M = {}

--- What an example says on stderr when its own answers stand in for a model's.
M.NOTE = "neap: NEAP_LLM_URL is not set; the script's own answers stand in for a model's\n"

--- An environment that names no model.
M.NO_MODEL = { NEAP_LLM_URL = "", NEAP_LLM_PROVIDER = "", NEAP_LLM_CASSETTE = "" }

--- Returns the path of an example.
---@param name string
---@return string
function M.path(name)
  return "examples/" .. name .. ".lua"
end

--- Runs an example without a model.
---@param name string
---@param ... string|number its arguments
---@return helper.result
function M.run(name, ...)
  return helper.run({ helper.neap, M.path(name), { ... } },
    { cwd = helper.root, env = M.NO_MODEL })
end

--- Runs a command on the flow of an example, without a model.
---@param command string "run", "graph" or "check"
---@param name string
---@param ... string options of the command
---@return helper.result
function M.command(command, name, ...)
  return helper.run({ helper.neap, command, M.path(name), { ... } },
    { cwd = helper.root, env = M.NO_MODEL })
end

--- Checks that an example ended well, with this output and nothing on stderr, or with the
--- note that there is no model.
---@param stdout string
---@param result helper.result
function M.succeeds(stdout, result)
  assert.same({ status = 0, stdout = stdout, stderr = "" },
    { status = result.status, stdout = result.stdout,
      stderr = result.stderr:gsub("^neap: NEAP_LLM_URL is not set; [^\n]*\n", "") })
end

--- Runs an example beside fakes of neap.testing.
---@param fakes string Lua code that opens them as <close> variables
---@param env table<string, string>
---@param name string
---@param ... string its arguments
---@return helper.result
function M.with_fakes(fakes, env, name, ...)
  -- The example is the main script, although another one has opened the fakes.
  local script = helper.write(helper.tmpdir() .. "/fakes.lua", ([[
local neap = require "neap"
%s
arg[0] = %q
require "neap.base.main".source = "@" .. arg[0]
return loadfile(arg[0])(...)
]]):format(fakes, M.path(name)))
  return helper.run({ helper.neap, script, { ... } }, { cwd = helper.root, env = env })
end

--- Starts a server of a model, which speaks chat completions.
---@param replies (string|table)[]|fun(body: table, connection: neap.Connection): string|table|nil
--- texts or messages, in turn; or what gives one for a request, or answers it by itself
---@return string url
---@return fun() stop
---@return table[] asked the requests so far, decoded
function M.serve(replies)
  local asked = {}
  local url, server = servers.script(function(request, connection)
    local body = json.decode(connection:read(tonumber(request.headers["content-length"])))
    asked[#asked + 1] = body
    local reply = type(replies) == "table" and replies[#asked]
    if type(replies) == "function" then
      reply = replies(body, connection)
      if not reply then return false end
    end
    if type(reply) ~= "table" then reply = { content = reply or "" } end
    local text = json.encode { choices = { { message = reply } },
      usage = { prompt_tokens = 10, completion_tokens = 2 } }
    local is_left = type(replies) == "function" or replies[#asked]
    connection:write("HTTP/1.1 ", is_left and "200 OK" or "400 There are no more replies",
      "\r\nContent-Type: application/json\r\nContent-Length: ", #text, "\r\n\r\n", text)
  end)
  return url, function()
    server:cancel()
    pcall(server.await, server)
  end, asked
end

--- Runs an example at a terminal of which this is the input, with a model that gives these
--- replies.
---@param name string
---@param replies table|function as `serve` takes them
---@param input string
---@param ... string its arguments
---@return helper.result
---@return table[] asked
function M.talk(name, replies, input, ...)
  local url, stop, asked = M.serve(replies)
  local argv = { helper.neap, M.path(name), ... }
  argv.cwd, argv.stdin, argv.timeout = helper.root, { text = input }, 60
  argv.env = { NEAP_LLM_URL = url, NEAP_LLM_MODEL = "m", NEAP_LLM_PROVIDER = false,
    NEAP_LLM_CASSETTE = false }
  local result = neap.process.run(argv)
  stop()
  return { status = result.code, stdout = result.stdout, stderr = result.stderr }, asked
end

--- Runs an example with a model that gives these replies.
---@param name string
---@param replies table|function as `serve` takes them
---@param ... string its arguments
---@return helper.result
---@return table[] asked
function M.with_model(name, replies, ...)
  return M.talk(name, replies, "", ...)
end

--- Runs an example without a model, and returns what its own answers were asked: of each
--- request the messages.
---@param name string
---@param ... string|number its arguments
---@return table[][] asked
---@return helper.result
function M.asked(name, ...)
  local cassette = helper.tmpdir() .. "/cassette.jsonl"
  local result = helper.run({ helper.neap, M.path(name), { ... } }, { cwd = helper.root,
    env = { NEAP_LLM_URL = "", NEAP_LLM_PROVIDER = "",
      NEAP_LLM_CASSETTE = "record:" .. cassette } })
  local asked = {}
  for line in helper.read(cassette):gmatch("[^\n]+") do
    asked[#asked + 1] = json.decode(line).request.messages
  end
  return asked, result
end

--- Returns the roles of messages.
---@param messages table[]
---@return string[]
function M.roles(messages)
  local roles = {}
  for i, message in ipairs(messages) do roles[i] = message.role end
  return roles
end

--- Makes a message with the call of a tool.
---@param name string
---@param arguments table
---@return table
function M.call(name, arguments)
  return { content = json.null, tool_calls = { { id = name, type = "function",
    ["function"] = { name = name, arguments = json.encode(arguments) } } } }
end

return M
