-- A file that returns its flow, for the commands that work on flows. A
-- newsletter is gathered, shortened until it fits, and sent.
--
--   neap run examples/newsletter.lua
--   neap run examples/newsletter.lua --param limit:=30
--   neap run examples/newsletter.lua --shared '{"articles": []}'
--   neap graph examples/newsletter.lua
--   neap check examples/newsletter.lua
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local Node, BatchNode, Flow = neap.Node, neap.BatchNode, neap.Flow

local ARTICLES <const> = {
  "Spring tide on Monday. The pier is closed.",
  "The ferry is back. It sails at nine.",
  "Seals were seen. Keep your distance.",
}

-- Two articles at once: a real newsletter would ask a model to shorten each.
local gather = BatchNode {
  name = "gather",
  concurrency = 2,
  prep = function(_, shared) return shared.articles or ARTICLES end,
  exec = function(_, _, article)
    neap.sleep(0.01)
    return article:match("^[^.]*%.?")
  end,
  post = function(_, shared, _, sentences)
    shared.letter = table.move(sentences, 1, sentences.n, 1, {})
    if sentences.n == 0 then return "no_news" end
  end,
}

local measure = Node {
  name = "measure",
  post = function(self, shared)
    local letter = shared.letter
    local size = #table.concat(letter, " ")
    if size > self.params.limit and #letter > 1 then return "too_long" end
  end,
}

local shorten = Node {
  name = "shorten",
  post = function(_, shared) table.remove(shared.letter) end,
}

-- The last sentences go until the letter has at most `limit` bytes, which
-- --param overrides; the first one stays.
local edit = Flow {
  name = "edit",
  params = { limit = 60 },
  start = measure,
  measure - "too_long" >> shorten >> measure,
  measure >> neap.END,
}

local send = Node {
  name = "send",
  post = function(_, shared) print(table.concat(shared.letter, " ")) end,
}

return Flow {
  name = "newsletter",
  start = gather,
  gather >> edit >> send,
  gather - "no_news" >> neap.END,
}
