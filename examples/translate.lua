-- Translates a text into several languages at once, as fast as the key allows.
--
--   neap examples/translate.lua [FILE [LANGUAGE ...]]
--
-- A long text is cut into chunks. All requests share one limit: write into it what your
-- vendor allows with your key. A language that fails does not keep the others.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm = neap.llm

local LANGUAGES <const> = { "Dutch", "French", "German", "Spanish" }

-- What a model might say, for those who have none. It takes its time.
local PHRASES <const> = {
  ["# The ferry"] = { Dutch = "# De veerboot", French = "# Le bac", German = "# Die Fähre",
    Spanish = "# El transbordador" },
  ["It leaves at noon."] = { Dutch = "Hij vertrekt om twaalf uur.", French = "Il part à midi.",
    German = "Sie fährt um zwölf.", Spanish = "Sale a mediodía." },
}

local function offline(messages)
  local language, text = messages[1].content:match("^Translate into (%a+).-\n\n(.*)")
  local translated = text:gsub("[^\n]+", function(line)
    return PHRASES[line] and PHRASES[line][language]
  end)
  return { text = translated, after = 0.2 }
end

local model = llm.new {
  offline = offline,
  limit = llm.limit { requests = 60, tokens = 40000, per = 60, concurrency = 2 },
}

local translate = neap.BatchNode { name = "translate", concurrency = 8, on_error = "collect" }

function translate:prep(shared)
  local file = shared.file or arg[0]:gsub("%.lua$", "/notice.md")
  shared.chunks = llm.chunks(neap.fs.read(file), { tokens = 1000, overlap = 0 })
  return shared.languages or LANGUAGES
end

function translate:exec(shared, language)
  local chunks = neap.map(shared.chunks, function(chunk)
    return model:chat(("Translate into %s, and keep the Markdown:\n\n%s"):format(language, chunk))
  end)
  return table.concat(chunks, "\n\n")
end

function translate:post(_, languages, results)
  for i, language in ipairs(languages) do
    print(("== %s ==\n%s\n"):format(language, results[i] or results.errors[i].message))
  end
end

if not neap.is_main() then return translate end -- to neap run, graph and check

local began = neap.now()
translate:run { file = ..., languages = select(2, ...) and { select(2, ...) } }
io.stderr:write(("%d requests in %.1f s\n"):format(model.usage.calls, neap.now() - began))
