-- The code blocks of a Markdown document: found, checked and run, so that what
-- the manual shows is what neap does.
--
--   ```lua              a script, run with neap; it has to succeed
--   ```lua error        a script that has to fail
--   ```lua norun        a fragment, not run
--   ```lua file=NAME    saved as NAME for the blocks below, not run
--   ```sh               run by sh; a line ending in "# not in tests" is left
--                       out. In a block with lines that begin with "$ " these
--                       are the commands, and lines below one its output
--   ```sh norun         not run
--   ```c build          a program, compiled, linked with neap and run
--   ```text output      what the block before wrote to its standard output
--   ```text stderr      the same for standard error
--
-- A line "..." in an output stands for any number of lines. Blocks in other
-- languages are pictures. All blocks of a document share a temporary folder.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

local M = {}

---@class markdown.block
---@field lang string   the first word of the info string, "" without one
---@field mark? string  "norun", "error", "file", "build", "output", "stderr"
---@field file? string  the name after "file="
---@field text string   the lines between the fences
---@field line integer  where the block begins

local marks = {
  lua = { norun = true, error = true, file = true },
  sh = { norun = true },
  c = { build = true },
  text = { output = true, stderr = true },
}

-- Names under which a block of ours would escape the tests.
local misnomers = { bash = "sh", shell = "sh", console = "sh", Lua = "lua", C = "c" }

local function fail(line, format, ...)
  error(("line %d: " .. format):format(line, ...), 0)
end

local function check(block, info)
  local words = {}
  for word in info:gmatch("%S+") do
    words[#words + 1] = word
  end
  local line, lang, word = block.line, words[1] or "", words[2]
  if misnomers[lang] then
    fail(line, "call it '%s', not '%s'", misnomers[lang], lang)
  end
  block.lang = lang
  if not marks[lang] or not word then
    return
  end

  block.mark = word:match("^[^=]+")
  if not marks[lang][block.mark] or #words > 2 then
    fail(line, "a '%s' block marked '%s'", lang, table.concat(words, " ", 2))
  end
  block.file = word:match("=(.*)")
  if (block.file ~= nil) ~= (block.mark == "file") then
    fail(line, "'%s': only 'file' has a value", word)
  end
  if block.file and (not block.file:find("^[%w_][%w_./-]*$") or block.file:find("..", 1, true)) then
    fail(line, "'%s' is no name of a file below the folder", block.file)
  end
end

local function runs(block)
  return block.lang == "lua" and (not block.mark or block.mark == "error")
    or block.lang == "sh" and not block.mark
    or block.mark == "build"
end

--- Finds the fenced code blocks of a document. Raises "line N: ..." for one
--- that is not closed, has a mark that does not exist, or shows the output of
--- nothing.
---@param document string
---@return markdown.block[]
function M.parse(document)
  local blocks, block, lines, indent, closing = {}, nil, nil, nil, nil
  local source -- the last block that ran
  local number = 0
  for line in (document .. "\n"):gmatch("(.-)\r?\n") do
    number = number + 1
    local spaces, fence, info = line:match("^( *)(```+)%s*([^`]-)%s*$")
    if block and fence and info == "" and #fence >= closing then
      block.text = table.concat(lines, "\n") .. (lines[1] and "\n" or "")
      blocks[#blocks + 1] = block
      block = nil
    elseif block then
      lines[#lines + 1] = line:gsub("^" .. (" ?"):rep(indent), "")
    elseif fence then
      block, lines, indent, closing = { line = number }, {}, #spaces, #fence
      check(block, info)
      if runs(block) then
        source = block
      elseif block.lang == "text" and block.mark and not source then
        fail(number, "the output of no block")
      end
    end
  end
  if block then
    fail(block.line, "the block is not closed")
  end
  return blocks
end

--- Splits a `sh` block into what is to be run.
---@param text string
---@return { script: string, output?: string }[]
function M.commands(text)
  local session = ("\n" .. text):find("\n$ ", 1, true) ~= nil
  local commands, current = {}, nil
  local continued, skipped = false, false
  for line in text:gmatch("(.-)\n") do
    local starts = session and not continued and line:sub(1, 2) == "$ "
    if starts or not (session or current) then
      current = { script = "" }
      commands[#commands + 1] = current
    end
    if starts or continued or not session then
      local command = starts and line:sub(3) or line
      skipped = command:find("# not in tests%s*$") ~= nil
      if not skipped then
        current.script = current.script .. command .. "\n"
      end
      continued = command:find("\\$") ~= nil
    elseif current and not skipped then
      current.output = (current.output or "") .. line .. "\n"
    end
  end

  local list = {}
  for _, command in ipairs(commands) do
    if command.script:find("%S") then
      list[#list + 1] = command
    end
  end
  return list
end

--- Whether an output is the one that a document shows.
---@param shown string
---@param actual string
---@return boolean
function M.matches(shown, actual)
  local pattern = "^"
  for line in shown:gmatch("(.-)\n") do
    pattern = pattern .. (line == "..." and ".-" or line:gsub("%p", "%%%0") .. "\n")
  end
  if actual ~= "" and actual:sub(-1) ~= "\n" then
    actual = actual .. "\n"
  end
  return actual:find(pattern .. "$") ~= nil
end

local function expect(shown, actual)
  if not M.matches(shown, actual) then
    error(("shown:\n%s\nwritten:\n%s"):format(shown, actual), 0)
  end
end

local function succeed(result)
  if result.status ~= 0 then
    error(("status %d\n%s%s"):format(result.status, result.stdout, result.stderr), 0)
  end
  return result
end

-- The sanitizers that the engine under test was built with, which a program
-- that links it needs too.
local function sanitizers()
  local cache = helper.read(helper.build .. "/CMakeCache.txt")
  local names = cache:match("\nNEAP_SANITIZE:%w+=([^\n]+)")
  return names and "-fsanitize=" .. names or "-fno-sanitize=all"
end

---@class markdown.runner
---@field folder string           where the blocks run
---@field last? helper.result     of the last block that ran
local Runner = {}
Runner.__index = Runner

--- Makes what runs the blocks of one document, in order, in a new folder that
--- has the project's `dev` and `examples`.
---@return markdown.runner
function M.runner()
  local folder = helper.tmpdir()
  for _, name in ipairs { "dev", "examples" } do
    helper.run { "ln", "-s", helper.root .. "/" .. name, folder .. "/" .. name }
  end
  return setmetatable({ folder = folder }, Runner)
end

---@param argv string[]
---@return helper.result
function Runner:command(argv)
  local bin = helper.neap:match("^(.*)/")
  return helper.run(argv, {
    cwd = self.folder,
    env = { PATH = bin .. ":" .. os.getenv("PATH") },
  })
end

--- Does with a block what its language and mark ask for; raises when it does
--- not behave as the document says.
---@param block markdown.block
function Runner:run(block)
  local act = self[block.mark and block.lang .. "_" .. block.mark or block.lang]
  if act then
    act(self, block)
  end
end

function Runner:lua(block)
  self.last = succeed(self:lua_script(block))
end

function Runner:lua_script(block)
  local name = ("block_%d.lua"):format(block.line)
  helper.write(self.folder .. "/" .. name, block.text)
  return self:command { helper.neap, name }
end

function Runner:lua_error(block)
  self.last = self:lua_script(block)
  assert(self.last.status ~= 0, "the script was to fail, and ended well")
end

function Runner:lua_file(block)
  helper.write(self.folder .. "/" .. block.file, block.text)
end

function Runner:sh(block)
  local all = { status = 0, stdout = "", stderr = "" }
  for _, command in ipairs(M.commands(block.text)) do
    local result = succeed(self:command { "sh", "-e", "-c", command.script })
    if command.output then
      expect(command.output, result.stdout)
    end
    all.stdout = all.stdout .. result.stdout
    all.stderr = all.stderr .. result.stderr
  end
  self.last = all
end

function Runner:c_build(block)
  local program = ("%s/block_%d"):format(self.folder, block.line)
  helper.write(program .. ".c", block.text)
  succeed(self:command { "sh", "-c", [[
    exec cc -std=c11 -D_GNU_SOURCE -Wall -Werror "$3" -I "$1/engine" -I "$1/bindings" \
      $(pkg-config --cflags "$5") "$4.c" -o "$4" "$2/bindings/libneap_lua.a" \
      "$2/engine/libneap.a" $(pkg-config --libs "$5" jansson libuv) -lm -ldl
  ]], "cc", helper.root, helper.build, sanitizers(), program, helper.lua_package })
  self.last = succeed(self:command { program })
end

function Runner:text_output(block)
  expect(block.text, self.last.stdout)
end

function Runner:text_stderr(block)
  expect(block.text, self.last.stderr)
end

return M
