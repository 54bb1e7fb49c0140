-- Runs every code block of the README and the manual.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local markdown = require "spec.markdown"

local function document(...)
  return table.concat({ ... }, "\n")
end

describe("markdown.parse", function()
  it("finds language, mark, text and line", function()
    local blocks = markdown.parse(document("# T", "", "```lua norun", "a", "", "b", "```", "",
      "```lua file=a/b.lua", "```"))
    assert.same({
      { lang = "lua", mark = "norun", text = "a\n\nb\n", line = 3 },
      { lang = "lua", mark = "file", file = "a/b.lua", text = "", line = 9 },
    }, blocks)
  end)

  it("takes the indentation of a list item off", function()
    local blocks = markdown.parse(document("1. x", "   ```json", "   {", "     1", "   ```"))
    assert.equal("{\n  1\n", blocks[1].text)
  end)

  it("closes a fence only by one that is as long", function()
    local blocks = markdown.parse(document("````md", "```lua", "```", "````"))
    assert.equal(1, #blocks)
    assert.equal("```lua\n```\n", blocks[1].text)
  end)

  it("leaves code within a line alone", function()
    assert.same({}, markdown.parse("```lua``` is no block"))
  end)

  local function refuses(message, ...)
    local ok, err = pcall(markdown.parse, document(...))
    assert.is_false(ok)
    assert.equal(message, err)
  end

  it("refuses a block that is not closed", function()
    refuses("line 2: the block is not closed", "x", "```lua", "print(1)")
  end)

  it("refuses marks that do not exist, and two at once", function()
    refuses("line 1: a 'lua' block marked 'norn'", "```lua norn", "```")
    refuses("line 1: a 'lua' block marked 'error norun'", "```lua error norun", "```")
    refuses("line 1: a 'sh' block marked 'build'", "```sh build", "```")
  end)

  it("refuses files outside of the folder", function()
    local outside = "line 1: '%s' is no name of a file below the folder"
    for _, name in ipairs { "../x.lua", "/x.lua", "" } do
      refuses(outside:format(name), "```lua file=" .. name, "```")
    end
    refuses("line 1: 'file': only 'file' has a value", "```lua file", "```")
  end)

  it("refuses the output of nothing", function()
    refuses("line 3: the output of no block", "```lua norun", "```", "```text output", "```")
  end)

  it("refuses names under which a block would not be run", function()
    refuses("line 1: call it 'sh', not 'bash'", "```bash", "```")
  end)
end)

describe("markdown.commands", function()
  it("takes a block without prompts as one script", function()
    assert.same({ { script = "a \\\n  b\nc\n" } }, markdown.commands("a \\\n  b\nc\n"))
  end)

  it("tells commands from their output by the prompt", function()
    assert.same({
      { script = "a \\\nb\n", output = "1\n2\n" },
      { script = "c\n" },
    }, markdown.commands("$ a \\\nb\n1\n2\n$ c\n"))
  end)

  it("leaves out what is not for the tests, and its output", function()
    assert.same({ { script = "b\n" } }, markdown.commands("a # not in tests\nb\n"))
    assert.same({ { script = "b\n" } }, markdown.commands("$ a # not in tests\n1\n$ b\n"))
    assert.same({}, markdown.commands("a # not in tests\n"))
  end)
end)

describe("markdown.matches", function()
  it("compares exactly, but for a last newline that is missing", function()
    assert.is_true(markdown.matches("a.b\n", "a.b\n"))
    assert.is_true(markdown.matches("a\n", "a"))
    assert.is_true(markdown.matches("", ""))
    assert.is_false(markdown.matches("a.b\n", "axb\n"))
    assert.is_false(markdown.matches("a\n", "a\nb\n"))
    assert.is_false(markdown.matches("b\n", "a\nb\n"))
  end)

  it("takes '...' for any number of lines", function()
    assert.is_true(markdown.matches("a\n...\nz\n", "a\nz\n"))
    assert.is_true(markdown.matches("a\n...\nz\n", "a\nb\nc\nz\n"))
    assert.is_false(markdown.matches("a\n...\nz\n", "a\nb\n"))
  end)
end)

describe("a runner of blocks", function()
  local function run(...)
    local runner = markdown.runner()
    for _, block in ipairs(markdown.parse(document(...))) do
      runner:run(block)
    end
  end

  it("runs sh in a folder that the blocks share", function()
    run("```lua file=a.txt", "one", "```", "```sh", "cat a.txt", "```",
      "```text output", "one", "```")
  end)

  it("notices a command that fails before the last", function()
    assert.has_error(function() run("```sh", "false", "true", "```") end, "status 1\n")
  end)

  it("notices output that differs", function()
    local message = "shown:\nb\n\nwritten:\na\n"
    assert.has_error(function() run("```sh", "$ echo a", "b", "```") end, message)
    assert.has_error(function()
      run("```sh", "echo a", "```", "```text output", "b", "```")
    end, message)
  end)

  it("runs lua with neap", function()
    run("```lua", "print(1 + 1)", "```", "```text output", "2", "```")
    run("```lua error", "error 'x'", "```", "```text stderr", "...", "```")
  end)

  it("notices a script that fails, or does not", function()
    assert.has_error(function() run("```lua", "os.exit(3)", "```") end, "status 3\n")
    assert.has_error(function()
      run("```lua error", "```")
    end, "the script was to fail, and ended well")
  end)

  it("builds C against the engine", function()
    run("```c build", "#include <stdio.h>", "#include <neap.h>", "int main(void) {",
      "  return puts(neap_version()) < 0;", "}", "```", "```text output", "0.1.0", "```")
  end)
end)

local documents = helper.files(helper.root .. "/docs", "%.md$")
table.insert(documents, 1, helper.root .. "/README.md")

for _, path in ipairs(documents) do
  describe(path:sub(#helper.root + 2), function()
    local ok, blocks = pcall(function() return markdown.parse(helper.read(path)) end)
    local runner
    setup(function() runner = markdown.runner() end)

    it("has well-formed blocks", function()
      assert(ok, blocks)
      assert.is_true(#blocks > 0, "there is no code block")
    end)

    for _, block in ipairs(ok and blocks or {}) do
      it(("line %d: %s %s"):format(block.line, block.lang, block.mark or ""), function()
        runner:run(block)
      end)
    end
  end)
end
