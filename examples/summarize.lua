-- Summarises text files with a language model, several at once.
--
--   neap examples/summarize.lua [FILE or FOLDER ...] [--json] [--concurrency N]
--
-- Without files it takes the licences that every Debian has. The model is the one
-- that NEAP_LLM_PROVIDER, NEAP_LLM_URL, NEAP_LLM_KEY and NEAP_LLM_MODEL name;
-- without them, an extractive summariser that needs no network. The exit status is
-- 1 if a file could not be summarised; the others are all the same.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local Node, AsyncFlow, BatchAsyncFlow =
  neap.Node, neap.AsyncFlow, neap.BatchAsyncFlow

local USAGE =
  "usage: summarize.lua [FILE or FOLDER ...] [--json] [--concurrency N]\n"

--- Returns what went wrong in one line. What neap raises is a table.
local function reason(err)
  return type(err) == "table" and err.message or tostring(err)
end

local model = neap.llm.new()

-- Load turns the paths of the command line into a list of files.
local Load = Node:extend { name = "Load" }

function Load:prep(shared)
  local paths, files = shared.paths or {}, {}
  if #paths == 0 then paths = { "/usr/share/common-licenses" } end
  for _, path in ipairs(paths) do
    -- What cannot be listed is taken for a file; if it is none, reading it
    -- will say so.
    local is_folder, entries = pcall(neap.fs.list, path)
    if is_folder then
      for _, entry in ipairs(entries) do
        -- No links: they would lead to the same files again.
        if entry.type == "file" then
          files[#files + 1] = path:gsub("/+$", "") .. "/" .. entry.name
        end
      end
    else
      files[#files + 1] = path
    end
  end
  table.sort(files)
  shared.files, shared.summary = files, {}
end

-- Summarize takes care of one file, the one its params name. The client makes a
-- request up to three times, about half a second and then a second apart, unless the
-- error says that trying again is no use (a 401 does) or when to (a 429 may).
local Summarize = Node:extend { name = "Summarize" }

function Summarize:prep()
  -- Reading waits, and while it does other files are read and summarised. What
  -- a method keeps on self belongs to this visit, not to the node.
  self.started = neap.now()
  return neap.fs.read(self.params.filename)
end

function Summarize:exec(_, text)
  if not text:find("%S") then
    error { message = "the file is empty", retryable = false }
  end
  local summary, reply = model:chat("Summarize in two sentences:\n\n" .. text)
  self.attempts = reply.attempts
  return summary
end

-- Called with what exec raised; its result stands in for exec's.
function Summarize:process_after_fail(_, _, err)
  self.error = reason(err)
  self.attempts = type(err) == "table" and err.attempts or nil
  return "(no summary)"
end

-- Returns no action, so the flow goes on by "default": here, it ends.
function Summarize:post(shared, text, summary)
  shared.summary[self.params.filename] = {
    size = #text,
    summary = summary,
    attempts = self.attempts,
    seconds = neap.now() - self.started,
    error = self.error,
  }
end

-- SummarizeAll runs its flow once for each entry that prep returns, up to
-- `concurrency` at once. A run that fails all the same (Summarize's prep raises
-- when a file is unreadable) is collected and does not stop the others.
local SummarizeAll =
  BatchAsyncFlow:extend { name = "SummarizeAll", on_error = "collect" }

function SummarizeAll:prep(shared)
  local list = {}
  for i, filename in ipairs(shared.files) do
    list[i] = { filename = filename }
  end
  return list
end

function SummarizeAll:post(shared, list, results)
  for i, err in pairs(results.errors) do
    shared.summary[list[i].filename] =
      { summary = "(no summary)", error = reason(err) }
  end
end

--- Returns the whole flow: load, then summarise all.
local function build(concurrency)
  local load = Load {}
  return AsyncFlow {
    name = "summarize",
    start = load,
    load >> SummarizeAll {
      start = AsyncFlow { name = "one_file", start = Summarize {} },
      concurrency = concurrency,
    },
  }
end

--- Returns the options of the command line, nil if they make no sense.
local function parse(args)
  local options = { paths = {}, concurrency = 8, json = false }
  local i = 1
  while args[i] do
    if args[i] == "--json" then
      options.json = true
    elseif args[i] == "--concurrency" then
      i = i + 1
      options.concurrency = math.tointeger(tonumber(args[i] or ""))
      if not options.concurrency or options.concurrency < 1 then
        return nil
      end
    elseif args[i]:find("^%-") then
      return nil
    else
      table.insert(options.paths, args[i])
    end
    i = i + 1
  end
  return options
end

--- Returns a function that keeps a line of the terminal up to date with the
-- events of a run, nil if nobody watches.
local function progress(shared)
  if not neap.isatty(2) then
    return nil
  end
  local done = 0
  return function(event)
    if event.kind == "item_end" then
      done = done + 1
      local line = "\r%d of %d files"
      io.stderr:write(line:format(done, #shared.files))
      if done == #shared.files then
        io.stderr:write("\r\27[K") -- erases the line
      end
    end
  end
end

--- Prints a text in lines of at most 76 characters, indented.
local function print_wrapped(text)
  local line = "   "
  for word in text:gmatch("[^%s%c]+") do
    if #line + 1 + #word > 76 then
      print(line)
      line = "   "
    end
    line = line .. " " .. word
  end
  print(line)
end

--- Prints a line for each file, and below it the summary.
local function print_table(rows)
  local width = #"FILE"
  for _, row in ipairs(rows) do
    width = math.max(width, #row.file)
  end
  local form = "%-" .. math.min(width, 60) .. "s %9s %8s %8s"
  print(form:format("FILE", "SIZE", "ATTEMPTS", "TIME"))
  for _, row in ipairs(rows) do
    local time = row.seconds and ("%.2f s"):format(row.seconds)
    print(form:format(row.file, row.size or "-", row.attempts or "-",
      time or "-"))
    local note = row.error and " " .. row.error or ""
    print_wrapped(row.summary .. note)
  end
end

if not neap.is_main() then return build(8) end -- to neap run, graph and check

local options = parse { ... }
if not options then
  io.stderr:write(USAGE)
  return 2
end

-- The store that all nodes share.
local shared = { paths = options.paths }

local started = neap.now()
build(options.concurrency):run(shared, { on_event = progress(shared) })

-- The rows in the order of the files, whatever order they were done in.
local rows, failed = {}, 0
for i, file in ipairs(shared.files) do
  rows[i] = shared.summary[file]
  rows[i].file = file
  if rows[i].error then
    failed = failed + 1
  end
end

if options.json then
  print(neap.json.encode(neap.json.array(rows), { indent = 2 }))
else
  print_table(rows)
end
io.stderr:write(("%d of %d files summarised in %.2f s\n"):format(
  #rows - failed, #rows, neap.now() - started))

-- The executable takes this number for its exit status.
return (failed > 0 or #rows == 0) and 1 or 0
