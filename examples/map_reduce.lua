-- Counts the words of many files: each file is mapped to its counts, all
-- counts are reduced to one list.
--
--   neap examples/map_reduce.lua [FILE ...]
--
-- Without arguments it reads the licences that every Debian has.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local Node, BatchNode, Flow = neap.Node, neap.BatchNode, neap.Flow

local FOLDER = "/usr/share/common-licenses"
local SHOWN = 10

-- The exec of a BatchNode is called for each item of the list that prep gives,
-- eight at once; post gets the results in the order of the list.
local Map = BatchNode:extend { name = "Map", concurrency = 8 }

function Map:prep(shared)
  if shared.files and #shared.files > 0 then
    return shared.files
  end
  local files = {}
  for _, entry in ipairs(neap.fs.list(FOLDER)) do
    if entry.type == "file" then
      files[#files + 1] = FOLDER .. "/" .. entry.name
    end
  end
  return files
end

function Map:exec(_, file)
  local counts = {}
  for word in neap.fs.read(file):lower():gmatch("%a+") do
    counts[word] = (counts[word] or 0) + 1
  end
  return counts
end

function Map:post(shared, _, results)
  shared.mapped = results
end

local Reduce = Node:extend { name = "Reduce" }

function Reduce:exec(shared)
  local totals = {}
  for _, counts in ipairs(shared.mapped) do
    for word, count in pairs(counts) do
      totals[word] = (totals[word] or 0) + count
    end
  end
  return totals
end

function Reduce:post(shared, _, totals)
  local words = {}
  for word in pairs(totals) do
    words[#words + 1] = word
  end
  table.sort(words, function(a, b)
    if totals[a] ~= totals[b] then
      return totals[a] > totals[b]
    end
    return a < b
  end)
  shared.words, shared.totals = words, totals
end

local map = Map {}
local count_words = Flow {
  name = "count_words",
  start = map,
  map >> Reduce {},
}

if not neap.is_main() then return count_words end -- to neap run, graph and check

local shared = { files = { ... } }
count_words:run(shared)

print(("%d different words in %d files"):format(
  #shared.words, shared.mapped.n))
for i = 1, math.min(SHOWN, #shared.words) do
  local word = shared.words[i]
  print(("%7d %s"):format(shared.totals[word], word))
end
