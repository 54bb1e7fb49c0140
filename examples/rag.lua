-- Answers a question from a folder of texts, which no model has read: what is in them that is
-- nearest to the question goes into the prompt (retrieval-augmented generation).
--
--   neap examples/rag.lua [QUESTION [FOLDER]]
--
-- Without a folder it reads the texts in `rag`. A model that chats makes no vectors: EMBED_MODEL in
-- the environment names one that does. A vendor may have none at all; with EMBED_PROVIDER=offline
-- words that are the same have to do.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm, Node, Flow = neap.llm, neap.Node, neap.Flow

local FOLDER <const> = arg[0]:gsub("%.lua$", "/")
local QUESTION <const> = "When does the last ferry leave on Sundays?"
local FOUND <const> = 3

-- Quotes what is nearest, for those who have no model.
local function offline(messages)
  return "There is no model; this is nearest: " .. messages[#messages].content:match("# (.-)\n\n#")
end

local model = llm.new { offline = offline,
  system = "Answer from the pieces of texts that you get, and name the file that has it. Where "
    .. "they do not tell, say so." }
local embedder = llm.new { offline = {}, provider = os.getenv "EMBED_PROVIDER",
  model = os.getenv "EMBED_MODEL" }

-- Cuts all texts into chunks, and has their vectors made. Who asks often keeps these.
local index = Node { name = "index" }

function index:exec(shared)
  local folder, chunks, files = shared.folder or FOLDER, {}, {}
  for _, entry in ipairs(neap.fs.list(folder)) do
    local text = entry.type == "file" and neap.fs.read(folder .. "/" .. entry.name) or ""
    for _, chunk in ipairs(llm.chunks(text, { tokens = 100, overlap = 20 })) do
      chunks[#chunks + 1], files[#files + 1] = chunk, entry.name
    end
  end
  if not chunks[1] then error("there are no texts in " .. folder, 0) end
  return { chunks = chunks, files = files, vectors = embedder:embed(chunks) }
end

function index:post(shared, _, made) shared.index = made end

local find = Node { name = "find" }

function find:exec(shared)
  return { llm.nearest(embedder:embed(shared.question), shared.index.vectors, FOUND) }
end

function find:post(shared, _, found)
  local pieces = {}
  for i, at in ipairs(found[1]) do
    pieces[i] = ("# %s\n\n%s"):format(shared.index.files[at], shared.index.chunks[at])
    io.stderr:write(("%.2f  %s, chunk %d\n"):format(found[2][i], shared.index.files[at], at))
  end
  shared.pieces = pieces
end

local answer = Node { name = "answer" }

function answer:exec(shared)
  return (model:chat(("These are pieces of texts:\n\n%s\n\n# Question\n\n%s")
    :format(table.concat(shared.pieces, "\n\n"), shared.question)))
end

function answer:post(shared, _, text)
  shared.answer = text
  print(text)
end

local flow = Flow { name = "rag", start = index, index >> find >> answer }

function flow:prep(shared) shared.question = shared.question or QUESTION end

if not neap.is_main() then return flow end -- to neap run, graph and check

local question, folder = ...
flow:run { question = question, folder = folder }
