-- Reads what is in letters, several at once, into a table.
--
--   neap examples/structured.lua [FILE ...]
--
-- A model fills in a schema for each letter; a letter that it cannot make sense of does
-- not keep the others. Without files it reads those in the folder `structured`.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm = neap.llm

local FOLDER <const> = arg[0]:gsub("%.lua$", "/")

local Letter = llm.schema {
  "from: string, the name of whoever has written it",
  "wants: order|refund|other",
  "amount: number?, in euros",
}

-- A clerk of three patterns, for those who have no model.
local function offline(messages)
  local letter = messages[1].content
  return neap.json.encode { from = letter:match("(%a+)%s*$"),
    amount = tonumber(letter:match("(%d+) euros")),
    wants = letter:find("back") and "refund" or letter:find("send") and "order" or "other" }
end

local model = llm.new { offline = offline }

local read = neap.BatchNode { name = "read", concurrency = 4, on_error = "collect" }

function read:prep(shared)
  if shared.files and shared.files[1] then return shared.files end
  shared.files = {}
  for i, entry in ipairs(neap.fs.list(FOLDER)) do shared.files[i] = FOLDER .. entry.name end
  return shared.files
end

function read:exec(_, file)
  return model:object(Letter, "Read this letter:\n\n" .. neap.fs.read(file))
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

local flow = neap.Flow { name = "letters", start = read, read >> report }

if not neap.is_main() then return flow end -- to neap run, graph and check

flow:run { files = { ... } }
