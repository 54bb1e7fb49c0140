-- What all examples have in common. What each one does is in spec/examples/.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"
local json = require "neap.json"

-- Conversations at the terminal and durable apps, which are no flows.
local NO_FLOWS <const> = { approval = true, chat = true, chat_memory = true, interrupt = true }

-- What the flows work on that have no sample of their own where they are not the main script.
local SHARED <const> = {
  agent = '{"prompt": "What is the smallest flow?"}',
  expense_approval = '{"expense": {"what": "Train", "amount": 89, "receipt": 1}, "revisions": 0}',
  fetch_urls = '{"urls": []}',
  order_pipeline = '{"quantity": 2}',
}

local names, sources = {}, {}
for _, path in ipairs(helper.files(helper.root .. "/examples", "%.lua$")) do
  local name = path:match("/examples/([%w_]+)%.lua$")
  if name then
    names[#names + 1], sources[name] = name, helper.read(path)
  else -- what is run by programs in C is in embed/
    assert(path:find("/examples/embed/", 1, true),
      path .. " is no file at the top of examples/; only data is in folders there")
  end
end

local function lines_of(text)
  return select(2, text:gsub("\n", ""))
end

describe("the examples", function()
  it("are in the README, with their lengths", function()
    local rows = {}
    for name, path, lines in helper.read(helper.root .. "/README.md")
      :gmatch("\n| %[([%w_]+)%]%(examples/([%w_.]+)%) |[^\n]+| (%d+) |%f[\n]") do
      assert.equal(name .. ".lua", path)
      assert.is_nil(rows[name], name .. " is in the README twice")
      rows[name] = tonumber(lines)
    end
    local lengths = {}
    for name, source in pairs(sources) do lengths[name] = lines_of(source) end
    assert.same(lengths, rows)
  end)

  it("have specs", function()
    for _, name in ipairs(names) do
      assert.matches("\ndescribe%(\"" .. name .. "\"",
        helper.read(("%s/spec/examples/%s_spec.lua"):format(helper.root, name)))
    end
  end)
end)

for _, name in ipairs(names) do
  describe("the example " .. name, function()
    local source = sources[name]

    it("says first what it shows, and how to run it", function()
      local head = source:match("^(%-%- %u.-)\n%-%- SPDX%-License%-Identifier: MIT\nlocal neap = ")
      assert.is_string(head)
      assert.matches(("\n%%-%%-   neap [^\n]*examples/%s.lua"):format(name), head)
      for line in head:gmatch("[^\n]+") do assert.equal("--", line:sub(1, 2)) end
    end)

    if NO_FLOWS[name] then return end

    it("can be checked and drawn", function()
      example.succeeds("", example.command("check", name))
      local drawn = example.command("graph", name)
      assert.equal(0, drawn.status)
      assert.matches("^flowchart TD\n", drawn.stdout)
    end)

    it("can be run by neap run", function()
      local result = example.command("run", name, "--shared", SHARED[name] or "{}", "--json")
      assert.equal(0, result.status, result.stderr)
      assert.is_nil(json.decode(result.stdout).error)
    end)
  end)
end

describe("the examples with a model", function()
  local function lets_nobody_in(_, connection)
    connection:write("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
  end

  for _, name in ipairs(names) do
    if sources[name]:find("llm%.new") then
      it("ask it where it is named: " .. name, function()
        local result, asked = example.talk(name, lets_nobody_in, "Hello\n")
        assert.is_true(#asked > 0, result.stderr)
        assert.not_matches("NEAP_LLM_URL is not set", result.stderr)
      end)
    end
  end
end)
