-- Attempts to break out of `neap run --untrusted`; attempts.lua has them.
-- SPDX-License-Identifier: MIT
-- luacheck: max line length 140
local attempts = require "spec.bindings.sandbox.attempts"
local helper = require "spec.helper"
local json = require "neap.json"

-- Real seconds in which each attempt must have ended, on a machine that has much to do.
local LONGEST <const> = 20

-- How long a script may compute. Under a checker of memory all takes many times as long, and
-- attempts that end by themselves, or at another limit, must get there.
local COMPUTE <const> = helper.build:find("release", 1, true) and "100ms" or "1s"

describe("a script that nobody trusts", function()
  local folder, file

  setup(function()
    folder = helper.tmpdir()
    helper.write(folder .. "/secret", "the secret")
    os.execute(("mkdir %s/in && ln -s ../secret %s/in/link"):format(folder, folder))
    file = folder .. "/script.lua"
  end)

  local function run(attempt)
    helper.write(folder .. "/in/inside", "inside")
    helper.write(file, ("local neap = require 'neap'\nreturn neap.Flow { start = neap.Node { "
      .. "exec = function(self) %s\nend } }\n"):format(attempt.code))
    local words = { helper.neap, "run", "--untrusted", "--json", "--quiet", "--compute", COMPUTE,
      "--memory", "32M", "--output", "100K", "--timeout", "10" }
    for _, grant in ipairs(attempt.grants) do
      words[#words + 1] = "--grant"
      words[#words + 1] = (grant:gsub("FOLDER", { FOLDER = folder .. "/in" }))
    end
    words[#words + 1] = file
    return helper.run(words, { cwd = folder, timeout = LONGEST, env = { OPENAI_API_KEY = "the secret" } })
  end

  for _, attempt in ipairs(attempts) do
    it(("tries %s (%s)"):format(attempt.tries, attempt.name), function()
      local result = run(attempt)
      assert.is_true(result.status == 0 or result.status == 1, result.stderr)
      local outcome = json.decode(result.stdout)
      assert.is_nil(result.stdout:find("the secret", 1, true))
      assert.is_nil(result.stderr:find("the secret", 1, true))
      if attempt.ends ~= false then
        local code = outcome.error and outcome.error.code or "none"
        local expected = attempt.ends or "none"
        assert.is_truthy((" or %s or "):format(expected):find(" or " .. code .. " or ", 1, true),
          ("expected %s, got %s: %s"):format(expected, code, result.stderr:sub(1, 500)))
      end
    end)
  end

  it("is tried in a hundred ways and more, each with a name", function()
    local names = {}
    for _, attempt in ipairs(attempts) do
      assert.is_nil(names[attempt.name], attempt.name)
      names[attempt.name] = true
    end
    assert.is_true(#attempts >= 100)
  end)
end)
