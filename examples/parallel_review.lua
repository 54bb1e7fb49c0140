-- Reviews a text in Markdown: three reviewers read it at the same time, and an
-- editor decides by what they say.
--
--   neap examples/parallel_review.lua [FILE]
--
-- Without an argument it reviews a short draft. The exit status is 1 when there
-- are remarks.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local Node, BatchNode, Flow = neap.Node, neap.BatchNode, neap.Flow

local LONGEST <const> = 25 -- words in a sentence

local DRAFT <const> = [[
The tide is the the rise and fall of the sea. See [the tables](no/tables.md).
]]

-- The sentences of a text, without code, tables and headings.
local function prose(text)
  return (("\n" .. text):gsub("\n```.-\n```", "\n"):gsub("\n[|#][^\n]*", "\n\n")
    :gsub("\n%s*\n", ".\n"))
end

-- What a reviewer writes down, and the action it ends with. In earnest `find`
-- might ask a model, and wait.
local Reviewer = Node:extend { name = "Reviewer" }

function Reviewer:prep(shared) return prose(shared.text) end

function Reviewer:exec(_, text) return self.find(text) end

function Reviewer:post(shared, _, remarks)
  shared.remarks[self.name] = remarks
  return #remarks > 0 and "remarks" or "fine"
end

local repeats = Reviewer {
  name = "repeats",
  find = function(text)
    local remarks, last = {}, nil
    for word in text:lower():gmatch("%S+") do
      if word == last and word:find("^%a+$") then
        remarks[#remarks + 1] = ("'%s %s'"):format(word, word)
      end
      last = word
    end
    return remarks
  end,
}

local sentences = Reviewer {
  name = "sentences",
  find = function(text)
    local remarks = {}
    for sentence in text:gmatch("[^.!?]+") do
      local _, words = sentence:gsub("%S+", "")
      if words > LONGEST then
        local start = sentence:gsub("%s+", " "):match("^ ?(.+)"):sub(1, 40)
        remarks[#remarks + 1] = ("%d words: %s..."):format(words, start)
      end
    end
    return remarks
  end,
}

-- This reviewer is a batch, which looks for all files at once; a flow would do
-- as well.
local links = BatchNode {
  name = "links",
  concurrency = 8,
  prep = function(_, shared)
    local files = {}
    for file in shared.text:gmatch("%]%(([^)#]+)[^)]*%)") do
      if not file:find("^%a+:") then files[#files + 1] = file end
    end
    return files
  end,
  exec = function(_, shared, file)
    local found = neap.try(neap.fs.stat, shared.folder .. file)
    return not found and ("there is no %s"):format(file) or nil
  end,
  post = function(_, shared, _, results)
    local remarks = {}
    for i = 1, results.n do remarks[#remarks + 1] = results[i] end
    shared.remarks.links = remarks
    return #remarks > 0 and "remarks" or "fine"
  end,
}

-- exec_res of a parallel is the list of the actions of its branches. A reviewer
-- that fails has said nothing, and does not keep the others from their work.
local review = neap.parallel {
  name = "review",
  on_error = "collect",
  repeats, sentences, links,
  prep = function(_, shared)
    shared.text, shared.folder = shared.text or DRAFT, shared.folder or ""
    shared.remarks = {}
  end,
  post = function(_, shared, _, verdicts)
    shared.failed = verdicts.errors
    local content = next(verdicts.errors) == nil
    for i = 1, verdicts.n do content = content and verdicts[i] == "fine" end
    return content and "publish" or "revise"
  end,
}

local publish = Node {
  name = "publish",
  post = function() print("ready to be published") end,
}

local revise = Node {
  name = "revise",
  post = function(_, shared)
    for _, reviewer in ipairs { "repeats", "sentences", "links" } do
      for _, remark in ipairs(shared.remarks[reviewer] or {}) do
        print(("%s: %s"):format(reviewer, remark))
      end
    end
    for _, err in pairs(shared.failed) do print(err) end
    return "revise"
  end,
}

local editing = Flow {
  name = "editing",
  start = review,
  review - "publish" >> publish,
  review - "revise" >> revise,
}

if not neap.is_main() then return editing end -- to neap run, graph and check

local file = ...
local action = editing:run {
  text = file and neap.fs.read(file),
  folder = file and file:match("^.*/"),
}

-- The executable takes this number for its exit status.
return action == "revise" and 1 or 0
