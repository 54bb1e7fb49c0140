-- Nodes that run at the same time.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"

describe("parallel_review", function()
  local folder = helper.tmpdir()

  it("has remarks on its draft", function()
    local result = example.run("parallel_review")
    assert.same({ status = 1, stderr = "", stdout = "repeats: 'the the'\n"
      .. "links: there is no no/tables.md\n" }, result)
  end)

  it("has none on a text that is well", function()
    helper.write(folder .. "/other.md", "")
    local file = helper.write(folder .. "/good.md", "The sea rises. See [more](other.md#top), "
      .. "[nothing](http://127.0.0.1/none).\n\n```\nend end\n```\n")
    example.succeeds("ready to be published\n", example.run("parallel_review", file))
  end)

  it("counts the words of sentences", function()
    local file = helper.write(folder .. "/long.md", ("word and "):rep(13) .. "end. No more.\n")
    local result = example.run("parallel_review", file)
    assert.equal("sentences: 27 words: word and word and word and word and word...\n",
      result.stdout)
    assert.equal(1, result.status)
  end)
end)
