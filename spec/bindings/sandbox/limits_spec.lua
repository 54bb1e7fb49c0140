-- The limits of docs/sandbox.md: each is the number that stands there.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"

-- What a script does that just keeps a limit, and that just does not; and the code of the
-- error with which it ends then. `row` is how the row of the manual begins.
local limits = {
  { row = "--compute", below = "local t = neap.now() while neap.now() - t < 0.2 do end",
    above = "while true do end", code = "compute", options = { "--compute", "1s" } },
  { row = "--memory", below = "shared.n = #('x'):rep(5 * 2^20)", options = { "--memory", "20M" },
    above = "local t = {} for i = 1, 1e5 do t[i] = ('x'):rep(500) .. i end", code = "memory" },
  { row = "--timeout", below = "neap.sleep(0.1)", above = "neap.sleep(60)", code = "timeout",
    options = { "--timeout", "2" } },
  { row = "--output", below = "print(('x'):rep(2^20 - 1))", above = "print(('x'):rep(2^20))",
    code = "limit" },
  { row = "--output", below = "print(('x'):rep(98)) warn ''", above = "print(('x'):rep(100))",
    options = { "--output", "100" }, code = "limit" },
  { row = "tasks that", code = "limit", options = { "--memory", "256M" },
    below = "for i = 1, 9998 do neap.spawn(neap.sleep, 0) end",
    above = "for i = 1, 9999 do neap.spawn(neap.sleep, 0) end" },
  { row = "coroutines in use", code = "limit", options = { "--memory", "256M" },
    below = "local t = {} for i = 1, 10000 do t[i] = coroutine.create(print) end",
    above = "local t = {} for i = 1, 10001 do t[i] = coroutine.create(print) end" },
  { row = "descriptors", code = "denied", options = { "--grant", "files=FOLDER" },
    below = "local t = {} for i = 1, 256 do t[i] = neap.fs.open('f', 'a') end",
    above = "local t = {} for i = 1, 257 do t[i] = neap.fs.open('f', 'a') end" },
  { row = "temporary files", code = "denied", options = { "--grant", "files=FOLDER" },
    below = "local t = {} for i = 1, 64 do t[i] = neap.fs.tempdir() end",
    above = "local t = {} for i = 1, 65 do t[i] = neap.fs.tempdir() end" },
  { row = "source text", below = "assert(load((' '):rep(2^20)))", code = "limit",
    above = "assert(load((' '):rep(2^20 + 1)))" },
  { row = "a text that", code = "limit", options = { "--memory", "512M" },
    below = "neap.json.decode('0' .. (' '):rep(2^22 - 1))",
    above = "neap.json.decode('0' .. (' '):rep(2^22))" },
  { row = "steps of", below = "table.move({}, 1, 2^24, 1)", code = "limit",
    above = "table.move({}, 1, 2^24 + 1, 1)" },
}

-- A string of 2^24 + MORE bytes by each function that makes or takes one.
for name, code in pairs {
  rep = "local s = ('x'):rep(2^24 + MORE)",
  ["rep of a separator"] = "local s = ('x'):rep(2^23 + MORE, 'y')",
  concat = "local s = table.concat({ HALF, HALF, ('x'):rep(MORE) })",
  gsub = "local s = ('ab' .. ('c'):rep(MORE)):gsub('[ab]', HALF)",
  format = "local s = ('%s%s%s'):format(HALF, HALF:sub(7), ('x'):rep(MORE))",
  find = "local s = (HALF .. HALF .. ('x'):rep(MORE)):find('y', 1, true)",
  lower = "local s = (HALF .. HALF .. ('x'):rep(MORE)):lower()",
  upper = "local s = (HALF .. HALF .. ('x'):rep(MORE)):upper()",
  reverse = "local s = (HALF .. HALF .. ('x'):rep(MORE)):reverse()",
  pack = "local s = string.pack('c' .. (2^24 - 16 | 0) + MORE, 'x')",
  len = "local s = utf8.len(HALF .. HALF .. ('x'):rep(MORE))",
} do
  local function with(more)
    return "local HALF = ('x'):rep(2^23) " .. code:gsub("MORE", more)
  end
  limits[#limits + 1] = { row = "a string that", name = name, code = "limit",
    options = { "--memory", "512M" }, below = with "0",
    above = with(name == "pack" and "17" or "1") }
end

describe("the limit of the sandbox on", function()
  local folder, manual

  setup(function()
    folder = helper.tmpdir()
    manual = helper.read(helper.root .. "/docs/sandbox.md"):match("\n## Limits\n(.-)\n## ")
  end)

  local function run(code, options)
    local file = helper.write(folder .. "/plan.lua", "local neap = require 'neap' return neap.Flow "
      .. "{ name = 'plan', start = neap.Node { name = 'n', exec = function(self, shared) "
      .. code .. " end } }")
    local words = { helper.neap, "run", "--untrusted", "--json", "--quiet" }
    if options[1] ~= "--compute" then words[6], words[7] = "--compute", "60s" end
    for _, word in ipairs(options) do words[#words + 1] = (word:gsub("FOLDER", folder)) end
    words[#words + 1] = file
    local result = helper.run(words, { timeout = 100 })
    local outcome = json.decode(result.stdout)
    return outcome.error and outcome.error.code or "none", result.stderr:sub(-300)
  end

  for i, limit in ipairs(limits) do
    it(("%s holds just there (%s)"):format(limit.row, limit.name or i), function()
      local options = limit.options or {}
      local code, words = run(limit.below, options)
      assert.equal("none", code, words)
      code, words = run(limit.above, options)
      assert.equal(limit.code, code, words)
    end)
  end

  it("has a row here for each in the manual", function()
    for row in manual:gmatch("\n| `?([^|]+)") do
      local is_known = row:find "^limit" or row:find "^%-%-%- "
      for _, limit in ipairs(limits) do
        is_known = is_known or row:sub(1, #limit.row) == limit.row
      end
      assert.is_true(is_known and true, row)
    end
  end)
end)
