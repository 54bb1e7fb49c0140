-- Batches in a batch: a folder has files, each file has chunks. All chunks are summarised,
-- then each file by the summaries of its chunks.
--
--   neap examples/nested_batch.lua [FOLDER]
--
-- Without a folder it reads the licences that every Debian has. Without a model the
-- summariser of neap answers.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm, Node, BatchNode, BatchFlow = neap.llm, neap.Node, neap.BatchNode, neap.BatchFlow

local FOLDER <const> = "/usr/share/common-licenses"

local model = llm.new()

local function summarise(text) return (model:chat("Summarize in one sentence:\n\n" .. text)) end

-- The inner batch: the items are the chunks of the file that the params name.
local chunks = BatchNode { name = "chunks", concurrency = 4 }

function chunks:prep()
  local text = neap.fs.read(self.params.file)
  if not text:find("%S") then error("it is empty", 0) end
  return llm.chunks(text, { tokens = 1000 })
end

function chunks:exec(_, chunk) return summarise(chunk) end

-- Entries run at the same time, so each has its own place in the shared store.
function chunks:post(shared, _, summaries)
  shared.files[self.params.file] = { summaries = summaries }
end

local join = Node { name = "join" }

function join:exec(shared)
  local summaries = shared.files[self.params.file].summaries
  return summaries.n == 1 and summaries[1] or summarise(table.concat(summaries, "\n\n"))
end

function join:post(shared, _, summary)
  shared.files[self.params.file].summary = summary
end

-- The outer batch: the entries are the files. At most 2 x 4 chunks are summarised at once.
local files = BatchFlow { name = "files", concurrency = 2, on_error = "collect",
  start = chunks, chunks >> join }

function files:prep(shared)
  local folder, entries = shared.folder or FOLDER, {}
  shared.files = {}
  for _, entry in ipairs(neap.fs.list(folder)) do
    if entry.type == "file" then entries[#entries + 1] = { file = folder .. "/" .. entry.name } end
  end
  return entries
end

function files:post(shared, entries, results)
  for i, entry in ipairs(entries) do
    local err, file = results.errors[i], shared.files[entry.file]
    print(err and ("%s: %s"):format(entry.file, err.message or err)
      or ("%s (%d chunk(s))\n  %s"):format(entry.file, file.summaries.n, file.summary))
  end
end

if not neap.is_main() then return files end -- to neap run, graph and check

files:run { folder = ... }
