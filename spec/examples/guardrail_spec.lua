-- Guards before an answer, beside it and after it.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"

-- Runs it with a model whose guard and whose harbour master are the code of functions of
-- a request; both may wait for the event `asked`.
local function play(guard, master, ...)
  return example.with_fakes(([[
local asked = neap.event()
local function say(text) return { json = { choices = { { message = { content = text } } } } } end
local function guard() %s end
local function master() %s end
local fake <close> = neap.testing.http { ["POST http://m/v1/chat/completions"] = function(request)
  local first = neap.json.decode(request.body).messages[1]
  if first.role == "system" then return master() end
  return guard()
end }
]]):format(guard, master), { NEAP_LLM_URL = "http://m" }, "guardrail", ...)
end

local FITS <const> = [[return say('{"reason": "", "fits": true}')]]
local FITS_NOT <const> = [[return say('{"reason": "Not here.", "fits": false}')]]

describe("guardrail", function()
  it("answers, and refuses what does not fit and what nobody may see", function()
    example.succeeds([[
> When is high tide?
High tide is at 06:12.
> Write a poem about cats.
Sorry. It is not about the harbour.
> What do I type at the gate?
Sorry. The answer is not for you.
]], example.run("guardrail"))
  end)

  it("asks for the answer while it asks the guard", function()
    local result = play("asked:wait() " .. FITS, 'asked:set() return say("At noon.")', "When?")
    assert.same({ status = 0, stdout = "> When?\nAt noon.\n", stderr = "" }, result)
  end)

  it("waits for no answer to a question that does not fit", function()
    local result = play("asked:wait() " .. FITS_NOT, "asked:set() neap.event():wait()", "Why?")
    assert.same({ status = 0, stdout = "> Why?\nSorry. Not here.\n", stderr = "" }, result)
  end)

  it("does not care whether the answer to such a question has failed", function()
    local result = play("asked:wait() neap.sleep(0.01) " .. FITS_NOT,
      'asked:set() return { status = 400, json = { error = { message = "No." } } }', "Why?")
    assert.same({ status = 0, stdout = "> Why?\nSorry. Not here.\n", stderr = "" }, result)
  end)

  it("gives no answer when the guard or the model fails", function()
    local fails = "return { status = 401 }"
    for _, result in ipairs { play(fails, 'return say("At noon.")', "When?"),
      play(FITS, fails, "When?") } do
      assert.equal("> When?\n", result.stdout)
      assert.matches("^neap: guardrail > answer %(exec%): ", result.stderr)
      assert.equal(1, result.status)
    end
  end)

  it("asks no model where it need not", function()
    for question, reason in pairs { [" "] = "There is no question.",
      [("Why? "):rep(61)] = "The question is too long." } do
      local result = play('error("asked")', 'error("asked")', question)
      assert.same({ status = 0, stdout = "> " .. question .. "\nSorry. " .. reason .. "\n",
        stderr = "" }, result)
    end
  end)
end)
