--- `neap new --rag`: answers from a folder of texts.
-- SPDX-License-Identifier: MIT
local MAIN = [[
-- Answers a question from the texts in a folder: what is in them that is nearest to the
-- question goes into the prompt (retrieval-augmented generation).
--
--   neap main.lua [QUESTION]
local neap = require "neap"
local llm, Node, Flow = neap.llm, neap.Node, neap.Flow

local FOLDER <const> = (debug.getinfo(1, "S").source:match("^@(.*/)") or "") .. "texts"
local QUESTION <const> = "When does the last ferry leave on Sundays?"
local FOUND <const> = 2 -- chunks in the prompt

-- Quotes what is nearest, as long as there is no model.
local function offline(messages)
  return "There is no model; this is nearest: " .. messages[#messages].content:match("# (.-)\n\n#")
end

-- The spec gives a fake; else it is the model that the environment names. A model that chats
-- makes no vectors: EMBED_MODEL names one that does.
local given = ...
local is_given = type(given) == "table"
local model = is_given and given or llm.new { offline = offline }
local embedder = is_given and given or llm.new { offline = {},
  provider = os.getenv "EMBED_PROVIDER", model = os.getenv "EMBED_MODEL" }

-- Cuts the texts into chunks, and has their vectors made.
local index = Node { name = "index" }

function index:exec()
  local chunks, files = {}, {}
  for _, entry in ipairs(neap.fs.list(FOLDER)) do
    local text = entry.type == "file" and neap.fs.read(FOLDER .. "/" .. entry.name) or ""
    for _, chunk in ipairs(llm.chunks(text, { tokens = 200 })) do
      chunks[#chunks + 1], files[#files + 1] = chunk, entry.name
    end
  end
  if not chunks[1] then error("there are no texts in " .. FOLDER, 0) end
  return { chunks = chunks, files = files, vectors = embedder:embed(chunks) }
end

function index:post(shared, _, made) shared.index = made end

local find = Node { name = "find" }

function find:exec(shared)
  return (llm.nearest(embedder:embed(shared.question), shared.index.vectors, FOUND))
end

function find:post(shared, _, found)
  shared.pieces = {}
  for i, at in ipairs(found) do
    shared.pieces[i] = ("# %s\n\n%s"):format(shared.index.files[at], shared.index.chunks[at])
  end
end

local answer = Node { name = "answer" }

function answer:exec(shared)
  local pieces = table.concat(shared.pieces, "\n\n")
  return (model:chat(("Answer from these pieces of texts, and name the file.\n\n%s\n\n"
    .. "# Question\n\n%s"):format(pieces, shared.question)))
end

function answer:post(shared, _, text)
  shared.answer = text
  print(text)
end

local flow = Flow { name = "@NAME@", start = index, index >> find >> answer }

function flow:prep(shared) shared.question = shared.question or QUESTION end

if neap.is_main() then flow:run { question = arg[1] } end
return flow -- to neap run, graph and check
]]

local SPEC = [[
local neap = require "neap"
local llm, testing = neap.llm, neap.testing

-- Asks a fake about these files. Returns the shared store, and the fake. Its vectors are
-- those of the words in a text.
local function ask(question, files, ...)
  local model, shared = llm.fake { ... }, { question = question }
  local _ <close> = testing.fs(files)
  assert(loadfile "main.lua")(model):run(shared)
  return shared, model
end

describe("@NAME@", function()
  before_each(function() stub(_G, "print") end) -- busted puts it back

  it("sends what is nearest, and the question", function()
    local shared, model = ask("When does the ferry leave?", {
      ["texts/bread.txt"] = "A loaf takes an hour in the oven.",
      ["texts/ferry.txt"] = "The ferry leaves at nine.",
      ["texts/herring.txt"] = "Herring is smoked.",
    }, "At nine (ferry.txt).")
    assert.equal("At nine (ferry.txt).", shared.answer)
    local prompt = model.requests[#model.requests].messages[1].content
    assert.matches("# ferry.txt\n\nThe ferry leaves at nine.\n", prompt, 1, true)
    assert.matches("\n# Question\n\nWhen does the ferry leave?", prompt, 1, true)
    assert.not_matches("bread.txt", prompt, 1, true)
  end)

  it("says that there are no texts", function()
    local ok, err = pcall(ask, "When?", { ["texts"] = true })
    assert.is_false(ok)
    assert.matches("there are no texts in texts", err.message, 1, true)
  end)
end)
]]

local FERRIES = [[
From April to October the ferry leaves the old pier at seven, at eleven, at three and at half
past six. On Sundays the first one is left out, and the last one leaves at eight in the evening.

In winter there are two ferries a day, at nine and at four. When the wind is stronger than eight
Beaufort none goes at all.
]]

local TICKETS = [[
A ticket for the ferry costs nine euros for a grown-up. Children below six and bicycles travel
free. Dogs have to be on a lead.
]]

---@type neap.cli.Template
return {
  about = "Answers questions from the texts in `texts`, with a language model. `main.lua` has the "
    .. "flow, and\n`spec/main_spec.lua` tests it.",
  usage = [[
neap main.lua            # runs it
neap main.lua "Can I take my dog?"]],
  model = [[

`EMBED_MODEL` names the model that makes vectors, such as `text-embedding-3-small`. A vendor may
have none. With `EMBED_PROVIDER=offline`, as without a model, words that are the same have to do.
]],
  files = { ["main.lua"] = MAIN, ["spec/main_spec.lua"] = SPEC, ["texts/ferries.txt"] = FERRIES,
    ["texts/tickets.txt"] = TICKETS },
}
