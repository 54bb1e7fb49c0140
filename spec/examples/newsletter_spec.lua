-- A file that returns its flow, for the commands.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"
local json = require "neap.json"

describe("newsletter", function()
  local function command(...)
    return helper.run({ helper.neap, { ... } }, { cwd = helper.root })
  end

  local file = "examples/newsletter.lua"

  it("runs, with a limit and articles of one's own", function()
    example.succeeds("Spring tide on Monday. The ferry is back. Seals were seen.\n",
      command("run", file, "--quiet"))
    example.succeeds("Spring tide on Monday. The ferry is back.\n",
      command("run", file, "--quiet", "--param", "limit:=41"))
    example.succeeds("Fog. Rain.\n",
      command("run", file, "--quiet", "--shared", '{"articles": ["Fog. Thick.", "Rain."]}'))
  end)

  it("ends early when there is no news", function()
    local result = command("run", file, "--json", "--quiet", "--shared", '{"articles": []}')
    assert.equal("no_news", json.decode(result.stdout).action)
    assert.equal(0, result.status)
  end)

  it("leaves stdout to the JSON that is asked for", function()
    local result = command("run", file, "--json", "--quiet", "--param", "limit:=30")
    assert.equal("Spring tide on Monday.\n", result.stderr)
    assert.same({ "Spring tide on Monday." }, json.decode(result.stdout).shared.letter)
  end)

  it("can be drawn", function()
    example.succeeds([=[
flowchart TD
  s1([start])
  n2[["gather"]]
  subgraph f3["edit"]
    s3([start])
    n4["measure"]
    n5["shorten"]
    e3([END])
    s3 --> n4
    n4 -->|"too_long"| n5
    n4 --> e3
    n5 --> n4
  end
  n6["send"]
  e1([END])
  s1 --> n2
  n2 --> f3
  n2 -->|"no_news"| e1
  f3 --> n6
]=], command("graph", file))
  end)

  it("has no mistake that check would find", function()
    example.succeeds("", command("check", file))
  end)
end)
