-- A query that SQLite refuses, and its repair.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"

local function sql(text) return { content = "Here it is:\n```sql\n" .. text .. "\n```\n" } end

describe("text_to_sql", function()
  it("tells the model what SQLite says, and shows the answer", function()
    example.succeeds([[
SELECT name, max(height) AS metres FROM port JOIN tide ON port.id = tide.port;
Parse error near line 1: no such column: height
  SELECT name, max(height) AS metres FROM port JOIN tide ON port.id = tide.port;
                   ^--- error here
SELECT name, max(metres) AS metres FROM port JOIN tide ON port.id = tide.port;
+-----------+--------+
|   name    | metres |
+-----------+--------+
| Avonmouth | 13.2   |
+-----------+--------+
]], example.run("text_to_sql"))
    local asked = example.asked("text_to_sql", "How high?")
    assert.matches("CREATE TABLE tide (port INTEGER REFERENCES port, time TEXT, metres REAL);\n\n"
      .. "Answer with one query, in a block of sql: How high?", asked[1][1].content, 1, true)
    assert.same({ "user", "assistant", "user" }, example.roles(asked[2]))
    assert.matches("^SQLite says:\nParse error near line 1: no such column: height\n",
      asked[2][3].content)
  end)

  it("gives up after three repairs", function()
    local wrong = sql("SELECT depth;")
    local result = example.with_model("text_to_sql", { wrong, wrong, wrong, wrong })
    assert.equal(4, select(2, result.stdout:gsub("no such column: depth", "")))
    assert.matches("^neap: text_to_sql > query %(post%): no query has worked, and 3 repairs are "
      .. "enough\n", result.stderr)
    assert.equal(1, result.status)
  end)

  it("answers from a database of one's own, which it cannot harm", function()
    local folder = helper.tmpdir()
    local database = folder .. "/ships.db"
    assert.equal(0, helper.run({ "sqlite3", database,
      "CREATE TABLE ship (name TEXT); INSERT INTO ship VALUES ('Selene');" }).status)
    local result = example.with_model("text_to_sql", {
      sql("DELETE FROM ship;"),
      sql((".output %s/taken\nSELECT name FROM ship;"):format(folder)),
      { content = ".shell touch " .. folder .. "/taken" },
      { content = "SELECT name FROM ship;" },
    }, "Which ships?", database)
    assert.matches("attempt to write a readonly database", result.stdout, 1, true)
    assert.matches("cannot run .output in safe mode", result.stdout, 1, true)
    assert.matches("cannot run .shell in safe mode", result.stdout, 1, true)
    assert.matches("| Selene |\n", result.stdout, 1, true)
    assert.equal("", result.stderr)
    assert.same({ database }, helper.files(folder))
  end)

  it("says what is missing, and what is no database", function()
    local result = helper.run({ "env", "PATH=/nowhere", helper.neap,
      example.path("text_to_sql") }, { cwd = helper.root, env = example.NO_MODEL })
    assert.matches("sqlite3 is not installed; on Debian: apt-get install sqlite3", result.stderr,
      1, true)
    assert.equal(1, result.status)
    result = example.run("text_to_sql", "Who?", helper.root .. "/README.md")
    assert.matches("text_to_sql > schema (exec): Error: file is not a database", result.stderr,
      1, true)
  end)
end)
