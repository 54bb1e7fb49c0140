-- Chunks of files of a folder.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"

describe("nested_batch", function()
  local folder = helper.tmpdir()
  local long = {}
  for i = 1, 500 do long[i] = ("Wave %d."):format(i) end
  helper.write(folder .. "/empty.txt", "\n")
  helper.write(folder .. "/long.txt", table.concat(long, "\n\n"))
  helper.write(folder .. "/short.txt", "Low.")
  helper.write(folder .. "/sub/folder.txt", "Not this one.")

  -- No chunk is answered before all three are asked for: two of one file, one of another.
  it("summarises chunks of files at the same time, then each file by these", function()
    local result = example.with_fakes([[
local asked, all = 0, neap.event()
local fake <close> = neap.testing.http { ["POST http://m/v1/chat/completions"] = function(request)
  local text = neap.json.decode(request.body).messages[1].content:match("\n\n(.*)")
  local summary = "All of " .. text:gsub("\n\n", " and ")
  if not text:find("^From") then
    asked = asked + 1
    if asked == 3 then all:set() end
    all:wait()
    summary = "From " .. text:match("^[^.]*") .. " to " .. text:match("([^.\n]*)%.$") .. "."
  end
  return { json = { choices = { { message = { content = summary } } } } }
end }
]], { NEAP_LLM_URL = "http://m" }, "nested_batch", folder)
    assert.equal("", result.stderr)
    assert.matches("^" .. folder:gsub("%p", "%%%0") .. "/empty%.txt: it is empty\n.-/long%.txt "
      .. "%(2 chunk%(s%)%)\n  All of From Wave 1 to Wave %d+%. and From Wave %d+ to Wave 500%.\n"
      .. ".-/short%.txt %(1 chunk%(s%)%)\n  From Low to Low%.\n$", result.stdout)
  end)

  it("needs no model", function()
    local result = example.run("nested_batch", folder)
    assert.matches("short.txt (1 chunk(s))\n  Low.\n", result.stdout, 1, true)
    assert.equal(0, result.status)
    assert.matches("/GPL-3 (10 chunk(s))\n  ", example.run("nested_batch").stdout, 1, true)
  end)
end)
