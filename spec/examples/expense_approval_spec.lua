-- A branch and a loop.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"

describe("expense_approval", function()
  it("takes each way through the flow", function()
    example.succeeds([[
Train for 89: approved, in order
Train: paid 89 after 0 revision(s)
Lunch for 23: needs_revision, there is no receipt
Lunch for 23: approved, in order
Lunch: paid 23 after 1 revision(s)
Yacht for 250000: rejected, above the limit of 1000
Yacht: paid 0 after 0 revision(s)
]], example.run("expense_approval"))
  end)
end)
