-- Answers a question from a database: a model writes the SQL. When SQLite refuses it, the
-- model is told why and may repair it, three times at most.
--
--   neap examples/text_to_sql.lua [QUESTION [DATABASE]]
--
-- It needs sqlite3, 3.37 or later, which opens the database for reading only, and with -safe:
-- whatever the model writes, no data and no other file can come to harm.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm, Node, Flow = neap.llm, neap.Node, neap.Flow

local REPAIRS <const> = 3
local QUESTION <const> = "Which port has the highest tide?"
local SAMPLE <const> = [[
CREATE TABLE port (id INTEGER PRIMARY KEY, name TEXT, country TEXT);
CREATE TABLE tide (port INTEGER REFERENCES port, time TEXT, metres REAL);
INSERT INTO port VALUES (1, 'Brest', 'FR'), (2, 'Dover', 'GB'), (3, 'Avonmouth', 'GB');
INSERT INTO tide VALUES (1, '06:12', 6.9), (2, '01:40', 6.4), (3, '09:05', 13.2);
]]

local model = llm.new { offline = {
  "```sql\nSELECT name, max(height) AS metres FROM port JOIN tide ON port.id = tide.port;\n```",
  "```sql\nSELECT name, max(metres) AS metres FROM port JOIN tide ON port.id = tide.port;\n```",
} }

-- Runs sqlite3 with a text for its input. Returns the result of neap.process.run.
local function sqlite(text, ...)
  local ok, result = neap.try(neap.process.run,
    { stdin = { text = text }, timeout = 10, "sqlite3", "-bail", "-table", ... })
  if ok then return result end
  if result.errno == "ENOENT" then
    error("sqlite3 is not installed; on Debian: apt-get install sqlite3", 0)
  end
  error(result, 0)
end

local schema = Node { name = "schema" }

function schema:exec(shared)
  local result = sqlite(".schema", "-safe", "-readonly", shared.database)
  if not result.ok then error(result.stderr, 0) end
  return result.stdout
end

function schema:post(shared, _, text)
  shared.messages = { { role = "user", content = ("A database of SQLite has these tables:\n\n%s\n"
    .. "Answer with one query, in a block of sql: %s"):format(text, shared.question) } }
end

local write = Node { name = "write" }

function write:exec(shared) return select(2, model:chat(shared.messages)) end

function write:post(shared, _, reply)
  shared.messages[#shared.messages + 1] = reply.message
  shared.sql = llm.extract.fenced(reply.text, "sql") or reply.text
  print(shared.sql)
end

local query = Node { name = "query" }

function query:exec(shared) return sqlite(shared.sql, "-safe", "-readonly", shared.database) end

function query:post(shared, _, result)
  if result.ok then
    shared.answer = result.stdout
    io.write(shared.answer)
    return "answered"
  end
  io.write(result.stderr)
  if shared.repairs == REPAIRS then
    error(("no query has worked, and %d repairs are enough"):format(REPAIRS), 0)
  end
  shared.repairs = shared.repairs + 1
  shared.messages[#shared.messages + 1] = { role = "user", content = "SQLite says:\n"
    .. result.stderr }
  return "repair"
end

local flow = Flow { name = "text_to_sql", start = schema,
  schema >> write >> query,
  query - "repair" >> write,
  query - "answered" >> neap.END,
}

-- A folder for the sample. The collector removes it with what is in it, after this visit.
function flow:prep(shared)
  shared.question, shared.repairs = shared.question or QUESTION, 0
  if shared.database then return end
  self.folder = neap.fs.tempdir "tides-"
  shared.database = self.folder.path .. "/tides.db"
  sqlite(SAMPLE, shared.database)
end

if not neap.is_main() then return flow end -- to neap run, graph and check

local question, database = ...
flow:run { question = question, database = database }
