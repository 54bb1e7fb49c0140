-- A conversation that outlives its program.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"
local json = require "neap.json"

describe("chat_memory", function()
  local file = helper.tmpdir() .. "/chat.json"

  before_each(function() os.remove(file) end)

  it("goes on where it ended", function()
    local first = example.talk("chat_memory", { "At noon." }, "When is high tide?\n", file)
    assert.same({ status = 0, stdout = "> At noon.\n> \n", stderr = "" }, first)
    local second, asked = example.talk("chat_memory", { "At six." }, "And low?\n", file)
    assert.equal(("%s has 2 messages.\n> At six.\n> \n"):format(file), second.stdout)
    local messages = {
      { role = "user", content = "When is high tide?" },
      { role = "assistant", content = "At noon." },
      { role = "user", content = "And low?" },
    }
    assert.same(messages, asked[1].messages)
    messages[4] = { role = "assistant", content = "At six." }
    assert.same(messages, json.decode(helper.read(file)))
  end)

  it("leaves a file alone that holds something else", function()
    for _, text in ipairs { '{"tide": "low"}', '"tide"', "tide" } do
      helper.write(file, text)
      local result = example.talk("chat_memory", { "At noon." }, "When?\n", file)
      assert.equal(1, result.status)
      assert.equal(text, helper.read(file))
    end
  end)

  it("keeps what it has when a model fails", function()
    local result = example.talk("chat_memory", { "At noon." }, "When?\nAnd low?\n", file)
    assert.equal(1, result.status)
    assert.equal(2, #json.decode(helper.read(file)))
  end)

  it("has what is old summarised", function()
    local long = ("The water comes and goes. "):rep(800)
    helper.write(file, json.encode { { role = "user", content = long },
      { role = "assistant", content = long } })
    local _, asked = example.talk("chat_memory", { "It is about water.", "Yes." }, "More?\n", file)
    assert.matches("^Summarise this conversation", asked[1].messages[1].content)
    assert.matches("It is about water.", asked[2].messages[1].content, 1, true)
    assert.equal("More?", asked[2].messages[2].content)
    assert.is_true(#helper.read(file) < 1000)
  end)

  it("needs no model", function()
    local result = helper.run({ helper.neap, example.path("chat_memory"), file },
      { cwd = helper.root, stdin = "Hello\nAgain\n", env = example.NO_MODEL })
    example.succeeds("> This is message 1. The first was 'Hello'.\n"
      .. "> This is message 3. The first was 'Hello'.\n> \n", result)
  end)
end)
