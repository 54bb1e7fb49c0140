-- What the specs of the examples share: each is run as a user would run it, without a
-- model or with one that the spec plays.
-- SPDX-License-Identifier: MIT
local assert = require "luassert"
local helper = require "spec.helper"
local json = require "neap.json"

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

--- Runs an example with a model that gives these replies, each a message in chat
--- completions, in turn.
---@param name string
---@param replies table[]
---@param ... string its arguments
---@return helper.result
function M.with_model(name, replies, ...)
  local answers = {}
  for i, reply in ipairs(replies) do
    answers[i] = { json = { choices = { { message = reply } },
      usage = { prompt_tokens = 10, completion_tokens = 2 } } }
  end
  return M.with_fakes(([[
local fake <close> = neap.testing.http { ["POST http://m/v1/chat/completions"] =
  neap.json.decode(%q) }
]]):format(json.encode(answers)), { NEAP_LLM_URL = "http://m" }, name, ...)
end

--- Runs an example without a model, and returns what its own answers were asked: of each
--- request the messages.
---@param name string
---@param ... string|number its arguments
---@return table[][] asked
---@return helper.result
function M.asked(name, ...)
  return M.asked_with(nil, name, ...)
end

--- The same with a standard input.
---@param stdin string|nil
---@param name string
---@param ... string|number
---@return table[][] asked
---@return helper.result
function M.asked_with(stdin, name, ...)
  local cassette = helper.tmpdir() .. "/cassette.jsonl"
  local result = helper.run({ helper.neap, M.path(name), { ... } }, { cwd = helper.root,
    stdin = stdin, env = { NEAP_LLM_URL = "", NEAP_LLM_PROVIDER = "",
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
