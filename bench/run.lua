--- run.lua [--runs=N] [--quick] [--json[=FILE]] [ROW...]
--
-- Measures neap against its peers and prints a page of ratios. ROW is an id on
-- that page, or what stands before its slash. --json prints JSON instead, or
-- writes it to FILE besides. --quick does a hundredth of the work once, to see
-- that everything runs. Run it from the project's folder, by `./dev bench`.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local page = require "bench.page"
local rows = require "bench.rows"
local server = require "bench.server"

local function refuse(message)
  io.stderr:write("bench: ", message, "\n")
  os.exit(2)
end

-- ----------------------------------------------------------------- measuring

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

-- Runs a program. Returns what it measured, and what it says it is. `address` is
-- that of the server, if one was started.
local function run(program, address)
  local words = {}
  for i, word in ipairs(program.command) do
    words[i] = quote((tostring(word):gsub("^SERVER", address or "%0")))
  end
  local command = table.concat(words, " ")
  local pipe = assert(io.popen(command))
  local output = pipe:read("a")
  local ok, how, code = pipe:close()
  local wall, cpu, memory, version = output:match("^wall (%S+) cpu (%S+) memory (%S+) ?([^\n]*)\n$")
  if not ok or not wall then
    error(("%s: ended by %s %d after printing %q"):format(command, how, code, output), 0)
  end
  return { wall = tonumber(wall), cpu = tonumber(cpu), memory = tonumber(memory) },
    version ~= "" and version or nil
end

-- Runs each program of the rows once in each of `count` rounds, so that what
-- else the machine does falls on all of them. Returns the lists of what was
-- measured, and the versions, by program.
local function measure(selected, count, address)
  local samples, versions = {}, {}
  for round = 1, count do
    io.stderr:write(("bench: run %d of %d\n"):format(round, count))
    for _, row in ipairs(selected) do
      for _, program in ipairs { row.neap, row.peer } do
        samples[program] = samples[program] or {}
        if program.command and not samples[program][round] then
          samples[program][round], versions[program] = run(program, address)
        end
      end
    end
  end
  return samples, versions
end

-- ---------------------------------------------------------------- summing up

local function summary(numbers)
  if #numbers == 0 then return nil end
  local sorted = table.move(numbers, 1, #numbers, 1, {})
  table.sort(sorted)
  local half = #sorted // 2
  local median = #sorted % 2 == 1 and sorted[half + 1] or (sorted[half] + sorted[half + 1]) / 2
  return { median = median, min = sorted[1], max = sorted[#sorted] }
end

-- What of a figure has to be at most so much.
local function judge(figure, result, excess)
  local value = ({ ratio = result.ratio, neap = result.neap, excess = excess })[figure.of]
  local reached
  if value then reached = value.median <= figure.most end
  return { of = figure.of, most = figure.most, reached = reached }
end

local function sum_up(figure, ours, theirs)
  local scale = rows.units[figure.unit] / figure.per
  local neap_list, peer_list, ratios, excesses = {}, {}, {}, {}
  for i, sample in ipairs(ours) do
    neap_list[i] = sample[figure.measure] * scale
    if theirs[i] then
      peer_list[i] = theirs[i][figure.measure] * scale
      -- Too little work may cost a peer no memory at all.
      if peer_list[i] > 0 then ratios[#ratios + 1] = neap_list[i] / peer_list[i] end
      excesses[i] = neap_list[i] - peer_list[i]
    end
  end
  local result = {
    measure = figure.measure,
    unit = figure.unit,
    neap = summary(neap_list),
    peer = summary(peer_list),
    ratio = summary(ratios),
  }
  if figure.most then result.goal = judge(figure, result, summary(excesses)) end
  return result
end

local function describe(program, version)
  return {
    label = program.label,
    command = program.command,
    version = version,
    skipped = program.missing,
  }
end

-- ------------------------------------------------------------------- machine

local function read(path)
  local file = io.open(path)
  local text = file and file:read("a") or ""
  if file then file:close() end
  return text
end

local function machine()
  local info = read("/proc/cpuinfo")
  local _, count = info:gsub("processor%s*:", "")
  return ("%d x %s, Linux %s"):format(count, info:match("model name%s*:%s*([^\n]+)") or "processor",
    read("/proc/sys/kernel/osrelease"):match("[^\n]*"))
end

-- ---------------------------------------------------------------- arguments

---@return table options runs, quick, json (true or a file's name)
---@return string[] wanted the ids of rows
local function parse(...)
  local options, wanted = { runs = 5 }, {}
  for _, word in ipairs { ... } do
    local name, value = word:match("^%-%-(%a+)=?(.*)$")
    local number = math.tointeger(tonumber(value))
    if not name then
      wanted[#wanted + 1] = word
    elseif name == "runs" and number and number > 0 then
      options.runs = number
    elseif name == "quick" and value == "" then
      options.quick, options.runs = true, 1
    elseif name == "json" then
      options.json = value == "" or value
    else
      refuse("unknown option " .. word)
    end
  end
  return options, wanted
end

-- The rows of these ids; all rows if there are none.
local function select_rows(all, wanted)
  if #wanted == 0 then return all end
  local selected = {}
  for _, id in ipairs(wanted) do
    local before = #selected
    for _, row in ipairs(all) do
      if row.id == id or row.id:match("^[^/]+") == id then selected[#selected + 1] = row end
    end
    if #selected == before then
      local ids = {}
      for i, row in ipairs(all) do ids[i] = row.id end
      refuse(("there is no row %s, only %s"):format(id, table.concat(ids, ", ")))
    end
  end
  return selected
end

local options, wanted = parse(...)
local build = os.getenv("NEAP_BENCH") or "build/bench"
local selected = select_rows(rows.make(build, options.quick and 100 or 1), wanted)

local results = {
  version = neap.version,
  machine = machine(),
  load = read("/proc/loadavg"):match("%S*"),
  runs = options.runs,
  quick = options.quick or false,
  rows = {},
}
-- Starts the server if a row needs one; where that cannot be, these are skipped.
local function start_server()
  local needed = {}
  for _, row in ipairs(selected) do
    for _, program in ipairs { row.neap, row.peer } do
      if program.needs == "server" then needed[#needed + 1] = program end
    end
  end
  if #needed == 0 then return nil end
  local started, why = server.start()
  for _, program in ipairs(started and {} or needed) do
    program.command, program.missing = nil, why
  end
  return started
end

local started <close> = start_server()
local samples, versions = measure(selected, options.runs, started and started.address)
for i, row in ipairs(selected) do
  local figures = {}
  for j, figure in ipairs(row.figures) do
    figures[j] = sum_up(figure, samples[row.neap], samples[row.peer])
  end
  results.rows[i] = {
    id = row.id,
    title = row.title,
    neap = describe(row.neap, versions[row.neap]),
    peer = describe(row.peer, versions[row.peer]),
    figures = figures,
  }
end

if options.json ~= true then io.write(page.format(results)) end
if options.json then
  local file = options.json == true and io.stdout or assert(io.open(options.json, "w"))
  file:write(neap.json.encode(results), "\n")
  if file ~= io.stdout then assert(file:close()) end
end
