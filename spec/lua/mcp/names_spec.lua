-- Names of tools that all vendors take.
-- SPDX-License-Identifier: MIT
local names = require "neap.mcp.names"

describe("a name of a tool", function()
  it("stays as it is where it can", function()
    assert.same({ "get_tide", "Tide-2" }, names.map({ "get_tide", "Tide-2" }, ""))
    assert.same({ "sea_get" }, names.map({ "get" }, "sea_"))
  end)

  it("loses what vendors do not take", function()
    assert.same({ "a_b_c", "tool", "caf__" }, names.map({ "a.b c", "", "caf\u{E9}" }, ""))
  end)

  it("is cut, the same in each process, where it is too long", function()
    local long = ("x"):rep(70)
    local made = names.map({ long .. "1", long .. "2" }, "p_")
    for i, name in ipairs(made) do
      assert.equal(64, #name)
      assert.matches("^p_x+_%x%x%x%x%x%x%x%x$", name)
      assert.equal(name, names.map({ long .. i }, "p_")[1])
    end
    assert.not_equal(made[1], made[2])
  end)

  it("differs from all others", function()
    local made = names.map({ "a.b", "a_b", "a b" }, "")
    assert.equal("a_b", made[2])
    assert.matches("^a_b_%x+$", made[1])
    assert.matches("^a_b_%x+$", made[3])
    assert.not_equal(made[1], made[3])
  end)
end)
