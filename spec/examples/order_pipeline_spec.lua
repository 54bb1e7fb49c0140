-- Flows in flows.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"

describe("order_pipeline", function()
  it("goes through all three flows", function()
    example.succeeds([[
payment: charged 40 at attempt 2
inventory: reserved 2 of 5
shipping: sent a parcel with 2 item(s)
]], example.run("order_pipeline"))
  end)

  it("leaves them when nothing is in stock", function()
    local result = example.run("order_pipeline", 6)
    assert.equal([[
payment: charged 120 at attempt 2
refund: 120, for there are only 5 in stock
]], result.stdout)
    assert.equal("", result.stderr)
    assert.equal(1, result.status)
  end)

  it("says where an order went wrong", function()
    local result = example.run("order_pipeline", 0)
    assert.equal("", result.stdout)
    assert.matches("order > payment > Validate (exec)", result.stderr, 1, true)
    assert.equal(1, result.status)
  end)
end)
