-- Regular expressions as patterns of Lua.
-- SPDX-License-Identifier: MIT
local pattern = require "neap.llm.pattern"

describe("a regular expression", function()
  local cases = {
    { "b", { "abc" }, { "ac" } },
    { "^b", { "bc" }, { "abc" } },
    { "b$", { "ab" }, { "abc" } },
    { "^a.c$", { "abc", "a\u{221A}c" }, { "ac", "a\u{221A}\u{221A}c" } },
    { "^a.*c$", { "ac", "a\u{221A}c" }, { "a" } },
    { "^\\w+@\\w+\\.de$", { "a@b.de" }, { "a@b-de", "@b.de" } },
    { "^\\S+$", { "a-\u{E9}" }, { "a b", "" } },
    { "^\\D{2}$", { "\u{E9}a" }, { "\u{E9}", "1a" } },
    { "^[A-Za-z_-]+$", { "a-B" }, { "a1" } },
    { "^[^,]{2,}$", { "\u{E9}\u{E9}" }, { "\u{E9}", "a,b" } },
    { "^[\\d.]{1,3}$", { "1.2" }, { "", "1.23", "a" } },
    { "^-?\\d+%$", { "-5%" }, { "-5" } },
    { "^a?b+\\[\\]$", { "b[]", "abb[]" }, { "aab[]" } },
    { "^\u{E9}\\t$", { "\u{E9}\t" }, { "\u{E9}" } },
    { "", { "", "a" }, {} },
  }
  for _, case in ipairs(cases) do
    it(("finds what it means: %s"):format(case[1]), function()
      local own = assert(pattern.of(case[1]))
      for _, text in ipairs(case[2]) do assert.truthy(text:find(own), text) end
      for _, text in ipairs(case[3]) do assert.is_nil(text:find(own), text) end
    end)
  end

  local beyond = {
    ["a|b"] = "groups and alternatives", ["(ab)+"] = "groups and alternatives",
    ["\\bport\\b"] = "\\b", ["a+?"] = "a lazy repetition", ["*a"] = "a '*' behind nothing",
    ["a^b"] = "an anchor in the middle", ["[a"] = "a class without an end",
    ["[]"] = "an empty class", ["\u{E9}+"] = "a repetition of a character that is not ASCII",
    ["[\u{E9}]"] = "a class with a character that is not ASCII", ["\\"] = "\\",
    [".{1,2}"] = "a repetition up to a number of any characters",
    ["a{9999999}"] = "a repetition that long", ["\xE9"] = "text that is not UTF-8",
  }
  for text, why in pairs(beyond) do
    it(("is refused where Lua has nothing like it: %q"):format(text), function()
      assert.same({ nil, why }, { pattern.of(text) })
    end)
  end
end)
