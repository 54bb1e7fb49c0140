-- Reads what is in letters, several at once, into a table.
--
--   neap examples/structured.lua FILE ...
--
-- A model fills in a schema for each letter; a letter that it cannot make sense of does
-- not keep the others. The model is the one that NEAP_LLM_PROVIDER, NEAP_LLM_URL,
-- NEAP_LLM_KEY and NEAP_LLM_MODEL name.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm = neap.llm

local model = llm.new()

local Letter = llm.schema {
  "from: string, the name of whoever has written it",
  "wants: order|refund|other",
  "amount: number?, in euros",
}

local read = neap.BatchNode { name = "read", concurrency = 4, on_error = "collect" }

function read:prep(shared) return shared.files end

function read:exec(_, file)
  return (model:object(Letter, "Read this letter:\n\n" .. neap.fs.read(file)))
end

function read:post(shared, _, letters) shared.letters = letters end

local report = neap.Node { name = "report" }

function report:exec(shared)
  for i, file in ipairs(shared.files) do
    local letter = shared.letters[i]
    print(letter and ("%s: %s wants %s, %s"):format(file, letter.from, letter.wants,
      letter.amount and ("%.2f"):format(letter.amount) or "no amount")
      or ("%s: %s"):format(file, shared.letters.errors[i].message))
  end
end

neap.Flow({ start = read, read >> report }):run { files = { ... } }
