--- The options of neap.process.
-- SPDX-License-Identifier: MIT
local rules = require "neap.base.schema.rules"

local rule, with, one_of, word = rules.rule, rules.with, rules.one_of, rules.word
local extend, is_text, is_path = rules.extend, rules.is_text, rules.is_path
local boolean, map, path, count = rules.boolean, rules.map, rules.path, rules.count
local seconds_or_0, seconds = rules.seconds_or_0, rules.seconds

local STDIO = '"pipe", "inherit", "null"'
local FILES = { file = is_path, append = is_path }
local WORDS = { pipe = true, inherit = true, null = true }
local output = one_of(WORDS, FILES, STDIO .. ", { file = path } or { append = path }")
local errors = one_of({ pipe = true, inherit = true, null = true, stdout = true }, FILES,
  STDIO .. ', "stdout", { file = path } or { append = path }')

---@class neap.process.SpawnOptions
---@field [integer] string|number the program, without a slash looked for in PATH, and its
--- arguments
local SPAWN = {
  cwd = path, --- the folder it runs in
  env = map, --- variables added to ours, strings, numbers or secrets; `false` removes one
  --- its input
  stdin = with(one_of(WORDS, { file = is_path }, STDIO .. " or { file = path }"), "pipe"),
  stdout = with(output, "pipe"), --- its output
  stderr = with(errors, "inherit"), --- its error output
  grace = with(seconds_or_0, 2), --- the time from SIGTERM to SIGKILL when the program is ended
}

-- The input of `run`: a string is the text, unless it is one of the words. "pipe" is not
-- among them, because nobody could write to it.
local source = one_of({ inherit = true, null = true }, { file = is_path, text = is_text }).test

---@class neap.process.RunOptions: neap.process.SpawnOptions
local EXEC = extend(SPAWN, {
  --- its input: a text, our own standard input, nothing, a file, or a text that may equal
  --- one of these words
  stdin = with(rule(function(value)
    return source(value) or is_text(value) and value ~= "pipe"
  end, 'string to read, "inherit", "null", { file = path } or { text = string }'), "null"),
  stdout = with(output, "pipe"), --- its output; with `"pipe"` it is in the result
  stderr = with(errors, "pipe"), --- its error output; with `"pipe"` it is in the result
  --- the time limit. When it has passed, the program is ended, and code `"timeout"` is raised
  --- with the output so far
  timeout = seconds,
  max_output = with(count, 64 * 1024 * 1024), --- the most bytes of each output; more is an error
  --- any exit code but 0, and any signal, raises an error with `status`, `signal`, `stdout`
  --- and `stderr`
  check = with(boolean, false),
  --- with `"outputs"` run returns when the program has ended and nobody can write to its
  --- outputs any more; with `"leader"` when the program has ended, even if programs that it
  --- has started still hold them
  wait_for = with(word("outputs", "leader"), "outputs"),
})

return { ["process.spawn"] = SPAWN, ["process.run"] = EXEC }
