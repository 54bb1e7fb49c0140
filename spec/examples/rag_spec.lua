-- Answers from a folder of texts.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"
local json = require "neap.json"

describe("rag", function()
  it("finds what is nearest, and sends that with the question", function()
    local asked, result = example.asked("rag", "How many steps has the lighthouse?")
    assert.equal(0, result.status)
    assert.matches("^There is no model; this is nearest: lighthouse.txt\n\n"
      .. "The lighthouse\n\nThe lighthouse was built in 1874", result.stdout)
    local prompt = asked[1][2].content
    assert.matches("and 173 steps lead to the lantern", prompt, 1, true)
    assert.matches("\n\n# Question\n\nHow many steps has the lighthouse?", prompt, 1, true)
    assert.equal(4, select(2, prompt:gsub("%f[^\n\0]# ", "")))
  end)

  it("runs without arguments", function()
    local result = example.run("rag")
    assert.equal(0, result.status)
    assert.matches("last one leaves at eight in the evening", result.stdout, 1, true)
    assert.matches("0.33  ferries.txt, chunk 1\n", result.stderr, 1, true)
  end)

  it("asks one model for vectors and another for the answer", function()
    local folder = helper.tmpdir()
    helper.write(folder .. "/a.txt", "The ferry leaves at nine.")
    helper.write(folder .. "/b.txt", "Herring is smoked.")
    local log = helper.tmpdir() .. "/log"
    local result = example.with_fakes(([[
local function vector_of(text) return text:find("erring") and { 0, 1 } or { 1, 0.2 } end
local fake <close> = neap.testing.http {
  ["POST http://m/v1/embeddings"] = function(request)
    local body, data = neap.json.decode(request.body), {}
    for i, text in ipairs(body.input) do
      data[i] = { index = i - 1, embedding = vector_of(text) }
    end
    return { json = { data = data, model = body.model } }
  end,
  ["POST http://m/v1/chat/completions"] = function(request)
    neap.fs.write(%q, request.body)
    return { json = { choices = { { message = { content = "At nine (a.txt)." } } } } }
  end,
}
]]):format(log), { NEAP_LLM_URL = "http://m", NEAP_LLM_MODEL = "big", EMBED_MODEL = "small" },
      "rag", "When does it leave?", folder)
    assert.same({ status = 0, stdout = "At nine (a.txt).\n",
      stderr = "1.00  a.txt, chunk 1\n0.20  b.txt, chunk 2\n" }, result)
    local request = json.decode(helper.read(log))
    assert.equal("big", request.model)
    assert.equal("These are pieces of texts:\n\n# a.txt\n\nThe ferry leaves at nine.\n\n# b.txt\n\n"
      .. "Herring is smoked.\n\n# Question\n\nWhen does it leave?", request.messages[2].content)
  end)

  it("says that a folder is empty", function()
    local result = example.run("rag", "Who?", helper.tmpdir())
    assert.equal(1, result.status)
    assert.matches("rag > index (exec): there are no texts in ", result.stderr, 1, true)
  end)
end)
