-- An outline, drafts of its sections, and a style.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"

describe("write_article", function()
  it("prints the article", function()
    example.succeeds([[
# The tide

The moon pulls at the sea. How far it follows, the coast decides.
]], example.run("write_article"))
  end)

  it("drafts each section of the outline, and keeps their order", function()
    local asked = example.asked("write_article", "Ebb and flow")
    assert.equal(4, #asked)
    assert.matches("Topic: Ebb and flow$", asked[1][1].content)
    assert.equal("Write the section 'How high it is' of the article 'The tide' in at most 100 "
      .. "words. Its points: the coast.", asked[3][1].content)
    assert.matches("with the title 'The tide':\n\n## Why it comes\n\nThe moon pulls at the sea.\n\n"
      .. "## How high it is\n\nIt depends on the coast.", asked[4][1].content, 1, true)
  end)

  it("does not take an article that is cut off for a whole one", function()
    local result = example.with_fakes([[
local turn = 0
local replies = { { content = '{"title": "T", "sections": []}' }, { content = "The ti" } }
local fake <close> = neap.testing.http { ["POST http://m/v1/chat/completions"] = function()
  turn = turn + 1
  return { json = { choices = { { message = replies[turn],
    finish_reason = turn == 1 and "stop" or "length" } } } }
end }
]], { NEAP_LLM_URL = "http://m" }, "write_article")
    assert.equal("The ti\n", result.stdout)
    assert.matches("write_article > style (exec): the article has no end: length", result.stderr,
      1, true)
    assert.equal(1, result.status)
  end)

  -- No draft is answered before all are asked for, and the first comes last.
  it("drafts the sections at the same time", function()
    local result = example.with_fakes([[
local asked, order = neap.event(), { neap.event(), neap.event(), neap.event() }
local function answer(text) return { json = { choices = { { message = { content = text } } } } } end
local fake <close> = neap.testing.http { ["POST http://m/v1/chat/completions"] = function(request)
  local prompt = neap.json.decode(request.body).messages[1].content
  local n = tonumber(prompt:match("section '(%d)'"))
  if n == 3 then asked:set() end
  if n then
    asked:wait()
    if n < 3 then order[n + 1]:wait() end
    order[n]:set()
    return answer("Text " .. n)
  elseif prompt:find("Outline") then
    return answer('{"title": "T", "sections": [{"heading": "1", "points": []}, '
      .. '{"heading": "2", "points": []}, {"heading": "3", "points": []}]}')
  end
  return answer(prompt:match("\n\n(.*)"))
end }
]], { NEAP_LLM_URL = "http://m" }, "write_article")
    assert.equal("## 1\n\nText 1\n\n## 2\n\nText 2\n\n## 3\n\nText 3\n", result.stdout)
    assert.equal("", result.stderr)
  end)
end)
