-- The options of all functions: that the manual has those that there are, and says of
-- each what neap checks.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local schema = require "neap.base.schema"

local REFERENCE = helper.read(helper.root .. "/docs/reference.md")
local TESTING = helper.read(helper.root .. "/docs/testing.md")
local DURABLE = helper.read(helper.root .. "/docs/durable.md")

-- The tables of the manual: the document, the section, and how the table begins; then
-- the file with the schema of these options, and what has them there, the last first.
local TABLES = {
  Node = { REFERENCE, "### Options", "option", "init", "NODE" },
  run = { REFERENCE, "### Running", "option", "init", "RUN" },
  ["http.request"] = { REFERENCE, "## neap.http", "option", "http", "REQUEST", "POST", "GET" },
  ["process.run"] = { REFERENCE, "## neap.process", "option of `run`", "process", "EXEC", "SPAWN" },
  ["llm.new"] = { REFERENCE, "## neap.llm", "option", "llm", "CLIENT", "METERED", "OBJECT",
    "CHAT" },
  embed = { REFERENCE, "## neap.llm", "option of `embed`", "llm", "EMBED" },
  ["llm.budget"] = { REFERENCE, "## neap.llm", "option of a budget", "llm", "BUDGET" },
  ["llm.limit"] = { REFERENCE, "## neap.llm", "option of a limit", "llm", "LIMIT" },
  ["llm.fake"] = { REFERENCE, "## neap.llm", "of an answer", "llm", "ANSWER" },
  ["llm.tool"] = { REFERENCE, "## neap.llm", "option of a tool", "llm", "TOOL" },
  ["llm.agent"] = { REFERENCE, "## neap.llm", "option of an agent", "llm", "AGENT" },
  ["llm.conversation"] = { REFERENCE, "## neap.llm", "option of a conversation", "llm",
    "CONVERSATION" },
  ["mcp.connect"] = { REFERENCE, "## neap.mcp", "option of a connection", "mcp", "CONNECT" },
  ["mcp.serve"] = { REFERENCE, "## neap.mcp", "option of `serve`", "mcp", "SERVE" },
  ["mcp.tool"] = { REFERENCE, "## neap.mcp", "option of `tool`", "mcp", "TOOL" },
  durable = { DURABLE, "### Apps", "option", "durable", "DURABLE" },
  ["durable.start"] = { DURABLE, "### Apps", "option of `start`", "durable", "START" },
  ["durable.work"] = { DURABLE, "### Apps", "option of `work`", "durable", "WORK" },
  ["durable.queue"] = { DURABLE, "### Apps", "option of a queue", "durable", "QUEUE" },
  ["durable.runs"] = { DURABLE, "### Apps", "option of `runs`", "durable", "LIST" },
  ["serve.listen"] = { REFERENCE, "## neap.serve", "option of `listen`", "serve", "LISTEN" },
  ["testing.http"] = { TESTING, "## Requests", "of an answer", "testing", "ANSWER" },
  ["testing.process"] = { TESTING, "## Programs", "of a program", "testing", "OUTCOME" },
  ["testing.net"] = { TESTING, "## Peers", "of a peer", "testing", "PEER" },
}
for _, file in pairs(schema.files) do
  for name, options in pairs(require("neap.base.schema." .. file)) do
    schema.options[name] = options
  end
end

-- What the manual writes with its options in braces.
local CALLS = {
  gather = "neap.gather", map = "neap.map", limiter = "neap.limiter", serve = "listener:serve",
  tools = "server:tools",
  summarize = "summary.summarize", events = "response:events", retry = "neap.retry",
}
CALLS["durable.prune"], CALLS["durable.fork"] = "app:prune", "run:fork"
CALLS["durable.wait_for"], CALLS["durable.signal"] = "neap.wait_for", "run:signal"
CALLS["durable.sqlite"] = "neap.store.sqlite"
for _, name in ipairs { "fs.read", "fs.write", "fs.mkdir", "fs.remove", "fs.watch", "net.connect",
  "net.listen", "cbor.type", "json.decode", "json.encode", "llm.chunks", "process.spawn",
  "testing.run", "testing.sweep" } do
  CALLS[name] = name
end

-- What has the options of another, or some of them.
local LIKE = { spawn = "run", chat = "llm.new", reply = "llm.new", stream = "llm.new",
  ["llm.replay"] = "llm.new", ["llm.metered"] = "llm.new", object = "llm.new" }
for _, method in ipairs { "get", "head", "post", "put", "patch", "delete" } do
  LIKE["http." .. method] = "http.request"
end

-- What has options of another besides its own, of which alone the manual has a table.
local BESIDE = { embed = "chat" }

local KINDS = { "Node", "Flow", "BatchNode", "BatchFlow", "Parallel" }

local function names_of(options)
  local names = {}
  for name in pairs(options) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Which functions, or kinds of nodes, have an option, in the words of the manual.
local function whose(where, name)
  if where == "http.request" then
    local all = schema.options
    return all["http.get"][name] and "all" or all["http.post"][name] and "not get, head"
      or "request"
  elseif where == "Node" then
    local kinds, has = schema.options.Node[name].kinds, {}
    for _, kind in ipairs(KINDS) do has[#has + 1] = kinds and kinds[kind] and kind end
    return kinds and table.concat(has, ", ") or "all"
  end
end

local function default_of(rule)
  local value = rule.default
  if type(value) == "string" then return ('"%s"'):format(value) end
  if math.type(value) == "integer" and value > 0 and value % (1 << 20) == 0 then
    return ("%d MiB"):format(value >> 20)
  end
  return tostring(value)
end

-- What the comments in a source say of the options that these tables have.
local function comments_of(source, first, ...)
  local comments = ... and comments_of(source, ...) or {}
  local start = assert(source:find(("local %s = "):format(first), 1, true), first)
  local words = {}
  for line in source:sub(start):gmatch("\n([^\n]*)") do
    local name = line:match("^%s*([%a_][%w_]*) = ")
    if line:find("^%s*}") then break end
    words[#words + 1] = line:match("%-%-%- (.*)")
    if name then comments[name], words = table.concat(words, " "), {} end
  end
  return comments
end

-- A text without what marks code.
local function plain(text)
  return (text:gsub("`", ""))
end

-- The cells of the rows of a table, each a list.
local function rows_of(document, section, head)
  local from = assert(document:find("\n" .. section .. "\n", 1, true), section)
  local start = assert(document:find("\n| " .. head .. " |", from, true), head)
  local rows = {}
  for line in document:sub(start + 1):match("^(.-)\n\n"):gmatch("[^\n]+") do
    local cells = {}
    for cell in line:gmatch("|%s?([^|]*)") do cells[#cells + 1] = cell:match("^(.-)%s*$") end
    cells[#cells] = nil
    rows[#rows + 1] = cells
  end
  return table.move(rows, 3, #rows, 1, {})
end

-- The methods among the options of a node have a table of their own.
local function is_method(where, rule)
  return where == "Node" and rule.type == "function"
end

describe("the manual has", function()
  for where, table_of in pairs(TABLES) do
    it(("a row for each option that says what it has to be: %s"):format(where), function()
      local options, found = schema.options[where], {}
      local source = helper.read(helper.root .. "/lua/neap/base/schema/" .. table_of[4] .. ".lua")
      local comments = comments_of(source, table.unpack(table_of, 5))
      for _, row in ipairs(rows_of(table.unpack(table_of, 1, 3))) do
        local names = {}
        for name in row[1]:gmatch("`([%w_]+)`") do names[#names + 1] = name end
        for _, name in ipairs(names) do
          local rule = assert(options[name], name)
          found[name] = true
          local expected = { whose(where, name) }
          if #names == 1 then
            table.insert(expected, rule.expected .. ": " .. comments[name])
            if rule.default ~= nil then table.insert(expected, default_of(rule)) end
            assert.equal(plain(table.concat(expected, " | ")),
              plain(table.concat(row, " | ", 2, #expected + 1)))
          else -- attempts as of a node
            assert.equal(expected[1], row[2])
            assert.equal(schema.options.Node[name], rule)
          end
        end
      end
      for name, rule in pairs(options) do
        if is_method(where, rule) then
          found[name] = REFERENCE:find(("\n| `%s(self, shared"):format(name), 1, true) ~= nil
        end
        local others = BESIDE[where] and schema.options[BESIDE[where]]
        found[name] = found[name] or others and others[name] == rule or nil
      end
      assert.same(names_of(options), names_of(found))
    end)
  end

  for where, call in pairs(CALLS) do
    it(("all options in the braces, and the defaults: %s"):format(where), function()
      local options, found = schema.options[where], {}
      local pattern = "`" .. call:gsub("%p", "%%%0") .. "[ (][^`]-{([^}`]*)}[^`]*`"
      for braces in (REFERENCE .. DURABLE):gmatch(pattern) do
        for name, value in braces:gmatch("([%w_]+) = ([^ ,]+)") do
          local rule = assert(options[name], name)
          found[name] = true
          if tonumber(value) or value:find('^"') then
            assert.equal(default_of(rule), value)
          end
        end
      end
      assert.same(names_of(options), names_of(found))
    end)
  end

  it("a place for the options of each function", function()
    for where, options in pairs(schema.options) do
      if LIKE[where] then
        local like = schema.options[LIKE[where]]
        for name, rule in pairs(options) do assert.equal(like[name], rule) end
      end
      assert.truthy(TABLES[where] or CALLS[where] or LIKE[where], where)
    end
  end)
end)

describe("a rule", function()
  it("takes the default of its option", function()
    for where, options in pairs(schema.options) do
      for name, rule in pairs(options) do
        assert.truthy(rule.default == nil or rule.test(rule.default), where .. ": " .. name)
      end
    end
  end)

  it("is what each meaning of a name leads to", function()
    local all = { run = true }
    for _, options in pairs(schema.options) do
      for name in pairs(options) do all[name] = true end
    end
    for name, meant in pairs(require "neap.base.schema.meant") do
      -- What has both by their own names does not take one for the other.
      for where, options in pairs(schema.options) do
        assert.falsy(options[name] and options[meant], where .. ": " .. name)
      end
      assert.truthy(all[meant], meant)
    end
  end)
end)
