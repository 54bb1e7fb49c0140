-- Searches and decides what to search for next, until it knows enough to answer.
--
--   neap examples/research.lua [QUESTION [FOLDER]]
--
-- It searches the manual of neap, or the Markdown in FOLDER. The model decides what for,
-- and when it is enough; after three searches it has to answer.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm = neap.llm

local SEARCHES <const>, SHOWN <const> = 3, 2

local question = ... or "How does a script answer Ctrl-C and go on?"
local folder = select(2, ...) or arg[0]:gsub("[^/]*$", "../docs")

local Decision = llm.schema {
  "reason: string, in one sentence",
  "action: search|answer",
  "query: string?, the words to search for",
}

-- What a model might say, for those who have none.
local model = llm.new { offline = {
  '{"reason": "I know nothing yet.", "action": "search", "query": "script answer Ctrl-C"}',
  '{"reason": "Who is cancelled?", "action": "search", "query": "on_interrupt cancel task"}',
  '{"reason": "That is enough.", "action": "answer"}',
  function(messages) return "It says: " .. messages[1].content:match("\n\n(.*)") end,
} }

local load = neap.Node { name = "load" }

function load:exec()
  local paragraphs = {}
  for _, entry in ipairs(neap.fs.list(folder)) do
    if entry.name:find("%.md$") then
      local text = neap.fs.read(folder .. "/" .. entry.name)
      for paragraph in (text .. "\n\n"):gmatch("(%S.-)\n\n") do
        paragraphs[#paragraphs + 1] = paragraph
      end
    end
  end
  return paragraphs
end

function load:post(shared, _, paragraphs)
  shared.paragraphs, shared.found, shared.searches = paragraphs, {}, 0
end

local decide = neap.Node { name = "decide" }

function decide:exec(shared)
  if shared.searches == SEARCHES then return { action = "answer", reason = "No more searches." } end
  return model:object(Decision, ("Question: %s\nSearch the manual, or answer? You know:\n\n%s")
    :format(question, table.concat(shared.found, "\n\n")))
end

function decide:post(shared, _, decision)
  local is_search = decision.action == "search"
  print(("%s: %s"):format(decision.action, is_search and decision.query or decision.reason))
  shared.query = decision.query
  return decision.action
end

local search = neap.Node { name = "search" }

-- Moves the paragraphs with the most of the words to what was found.
function search:post(shared)
  shared.searches = shared.searches + 1
  local counts = {}
  for _, paragraph in ipairs(shared.paragraphs) do
    local text, count = paragraph:lower(), 0
    for word in (shared.query or question):lower():gmatch("%S+") do
      if text:find(word, 1, true) then count = count + 1 end
    end
    counts[paragraph] = count / (#text + 200)
  end
  table.sort(shared.paragraphs, function(a, b) return counts[a] < counts[b] end)
  for _ = 1, math.min(SHOWN, #shared.paragraphs) do
    table.insert(shared.found, table.remove(shared.paragraphs))
  end
end

local answer = neap.Node { name = "answer" }

function answer:exec(shared)
  return model:chat(("Question: %s\nAnswer it in a few sentences by what is here:\n\n%s"):format(
    question, table.concat(shared.found, "\n\n")))
end

function answer:post(_, _, text) print(text) end

local flow = neap.Flow {
  name = "research",
  start = load,
  load >> decide,
  decide - "search" >> search >> decide,
  decide - "answer" >> answer,
}

if not neap.is_main() then return flow end -- to neap run, graph and check

flow:run {}
