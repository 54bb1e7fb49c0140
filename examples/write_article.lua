-- Writes an article: an outline, a draft of each section, several at once, and one style
-- for all of it.
--
--   neap examples/write_article.lua [TOPIC]
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm, Node, BatchNode, Flow = neap.llm, neap.Node, neap.BatchNode, neap.Flow

local model = llm.new { offline = {
  '{"title": "The tide", "sections": [{"heading": "Why it comes", "points": ["the moon"]}, '
    .. '{"heading": "How high it is", "points": ["the coast"]}]}',
  "The moon pulls at the sea.",
  "It depends on the coast.",
  "# The tide\n\nThe moon pulls at the sea. How far it follows, the coast decides.",
} }

local Outline = llm.schema {
  "title: string",
  { "sections[]", { "heading: string", "points: string[]" } },
}

local outline = Node { name = "outline" }

function outline:exec(shared)
  return (model:object(Outline, "Outline a short article in two to four sections. Topic: "
    .. shared.topic))
end

function outline:post(shared, _, made) shared.outline = made end

-- The sections are items: they are drafted at the same time, and stay in their order.
local draft = BatchNode { name = "draft", concurrency = 4 }

function draft:prep(shared) return shared.outline.sections end

function draft:exec(shared, section)
  return (model:chat(("Write the section '%s' of the article '%s' in at most 100 words. "
    .. "Its points: %s."):format(section.heading, shared.outline.title,
      table.concat(section.points, "; "))))
end

function draft:post(shared, sections, texts)
  for i, section in ipairs(sections) do
    texts[i] = ("## %s\n\n%s"):format(section.heading, texts[i])
  end
  shared.draft = table.concat(texts, "\n\n")
end

-- Prints the article while it comes.
local style = Node { name = "style" }

function style:exec(shared)
  local stream <close> = model:stream(("Make one article of these sections, in a calm voice and "
    .. "without repetitions, with the title '%s':\n\n%s"):format(shared.outline.title,
      shared.draft))
  for piece in stream do
    io.write(piece)
    io.flush()
  end
  print()
  local reply = stream.reply
  if reply.stop ~= "stop" then error("the article has no end: " .. reply.stop, 0) end
  return reply.text
end

function style:post(shared, _, text) shared.article = text end

local flow = Flow { name = "write_article", start = outline, outline >> draft >> style }

function flow:prep(shared) shared.topic = shared.topic or "The tide" end

if not neap.is_main() then return flow end -- to neap run, graph and check

flow:run { topic = ... }
