--- `neap new --flow`: nodes, a branch and a loop.
-- SPDX-License-Identifier: MIT
local MAIN = [[
-- Shortens a text until it has room.
--
--   neap main.lua [TEXT]
local neap = require "neap"
local Node, Flow = neap.Node, neap.Flow

local LIMIT <const> = 40
local TEXT <const> = "The tide comes in twice a day, and goes out as often as it comes."

-- exec computes, and is what is tried again when it fails; post writes into the shared
-- store, and returns the action that chooses the next node.
local measure = Node { name = "measure" }

function measure:exec(shared) return utf8.len(shared.text) end

function measure:post(shared, _, length)
  shared.length = length
  if length > LIMIT then return "too_long" end
end

local shorten = Node { name = "shorten", max_retries = 2 }

function shorten:exec(shared) return (shared.text:gsub("%s*%S+%s*$", "")) end

function shorten:post(shared, _, text)
  shared.text, shared.cuts = text, shared.cuts + 1
end

local report = Node { name = "report" }

function report:exec(shared)
  print(("%s (%d words shorter)"):format(shared.text, shared.cuts))
end

local flow = Flow { name = "@NAME@", start = measure,
  measure >> report,
  measure - "too_long" >> shorten,
  shorten >> measure,
}

function flow:prep(shared)
  shared.text, shared.cuts = shared.text or TEXT, 0
end

if neap.is_main() then flow:run { text = arg[1] } end
return flow -- to neap run, graph and check
]]

local SPEC = [[
local flow = assert(loadfile "main.lua")()

describe("@NAME@", function()
  before_each(function() stub(_G, "print") end) -- busted puts it back

  -- Runs the flow on a text, and returns the shared store.
  local function run(text)
    local shared = { text = text }
    flow:run(shared)
    return shared
  end

  it("leaves a text that has room as it is", function()
    assert.equal(0, run("The tide comes.").cuts)
    assert.stub(print).was.called_with("The tide comes. (0 words shorter)")
  end)

  it("takes words away until the text has room", function()
    local shared = run(("word "):rep(20))
    assert.equal(39, shared.length)
    assert.equal(12, shared.cuts)
  end)

  it("ends with nothing where the first word is too long", function()
    assert.equal("", run(("x"):rep(100)).text)
  end)
end)
]]

---@type neap.cli.Template
return {
  about = "Shortens a text until it has room: a flow of three nodes, with a branch and a loop. "
    .. "`main.lua` has\nthe flow, and `spec/main_spec.lua` tests it.",
  usage = [[
neap main.lua            # runs it
neap run main.lua --shared '{"text": "A text of your own"}']],
  files = { ["main.lua"] = MAIN, ["spec/main_spec.lua"] = SPEC },
}
