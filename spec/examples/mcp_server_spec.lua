-- Tools for other programs.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"

describe("mcp_server", function()
  it("finds ways by ferry for whoever starts it", function()
    local server <close> = neap.mcp.connect {
      command = { helper.neap, helper.root .. "/examples/mcp_server.lua" } }
    assert.equal("ferries", server.name)
    assert.equal('["Kiel","Oslo","Hirtshals"]', (server:call("harbours")))
    assert.equal('{"legs":["Kiel to Oslo","Oslo to Hirtshals"],"price":180}',
      (server:call("trip", { from = "Kiel", to = "Hirtshals" })))
    assert.equal("There is no way from Bergen to Kiel.",
      (server:call("trip", { from = "Bergen", to = "Kiel" })))
    assert.equal('{"legs":[],"price":0}', (server:call("trip", { from = "Kiel", to = "Kiel" })))
    assert.matches("The arguments do not fit:\n%$%.to: is missing",
      helper.refused("mcp", server.call, server, "trip", { from = "Kiel" }).message)
  end)
end)
