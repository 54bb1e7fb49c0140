--- run.lua [--runs=N] [--quick] [--json[=FILE]] [--picture=FILE] [ROW...]
--
-- Measures neap against its peers and prints a page of ratios. ROW is an id on
-- that page, or what stands before its slash. --json prints JSON instead, or
-- writes it to FILE besides; --picture draws the ratios as SVG. --quick does a
-- hundredth of the work once, to see that everything runs. Run it from the
-- project's folder, by `./dev bench`.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local page = require "bench.page"
local picture = require "bench.picture"
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

-- The words of servers' addresses in a command, as their prefixes.
local SERVER_WORDS = { "SERVER/delayed", "SERVER", "SECURE", "EVENTS", "CA" }

-- The programs of the rows, neap's first.
local function programs(row)
  return table.move(row.peers, 1, #row.peers, 2, { row.neap })
end

-- The server's word that a word of a command begins with, nil if it has none.
local function server_word(word)
  for _, name in ipairs(SERVER_WORDS) do
    if tostring(word):match("^" .. name .. "%f[%A]") then return name end
  end
end

-- Starts the servers if a program of the rows needs one. Those whose servers
-- cannot be had are skipped.
local function start_servers(selected, executable)
  local servers
  for _, row in ipairs(selected) do
    for _, program in ipairs(programs(row)) do
      for _, word in ipairs(program.command or {}) do
        local name = server_word(word)
        if name then
          servers = servers or server.start(executable)
          local why = servers.missing[name] or servers.missing[name:match("^%a+")]
          if why then
            program.command, program.missing = nil, why
            break
          end
        end
      end
    end
  end
  return servers
end

-- What a shell runs for a program.
local function command_line(program, servers)
  local words = {}
  for i, word in ipairs(program.command) do
    local name = server_word(word)
    name = name and name:match("^%a+")
    words[i] = quote(name and servers.words[name] .. tostring(word):sub(#name + 1) or word)
  end
  return table.concat(words, " ")
end

-- Returns what a program measured, and what it says it is. Lines such as "cpu max: 0.001" may
-- stand before the last.
local function run(command)
  local pipe = assert(io.popen(command))
  local output = pipe:read("a")
  local ok, how, code = pipe:close()
  local more, wall, cpu, memory, version =
    ("\n" .. output):match("^(.*\n)wall (%S+) cpu (%S+) memory (%S+) ?([^\n]*)\n$")
  if not ok or not wall then
    error(("%s: ended by %s %d after printing %q"):format(command, how, code, output), 0)
  end
  local measured = { wall = tonumber(wall), cpu = tonumber(cpu), memory = tonumber(memory) }
  for name, value in more:gmatch("([^\n]+): (%S+)\n") do measured[name] = tonumber(value) end
  return measured, version ~= "" and version or nil
end

-- Runs each program of the rows once in each of `count` rounds, so that what
-- else the machine does falls on all of them. Returns the lists of what was
-- measured, and the versions, by program.
local function measure(selected, count, servers)
  local samples, versions, seen = {}, {}, {}
  for round = 1, count do
    io.stderr:write(("bench: run %d of %d\n"):format(round, count))
    for _, row in ipairs(selected) do
      for _, program in ipairs(programs(row)) do
        if program.command then
          local command = command_line(program, servers)
          seen[command] = seen[command] or {}
          if not seen[command][round] then
            seen[command][round], versions[program] = run(command)
          end
          samples[program] = seen[command]
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

-- A goal: what of a figure has to be at most so much.
local function judge(of, most, values)
  if not most then return nil end
  local reached
  if values then reached = values.median <= most end
  return { of = of, most = most, reached = reached }
end

-- What a program measured, in the unit.
local function scaled(measure_of, program, samples)
  local scale = rows.units[measure_of[2]] / measure_of.per
  local is_time = measure_of[1] == "wall" or measure_of[1] == "cpu"
  if is_time then scale = scale / (program.share or 1) end
  local list = {}
  for i, sample in ipairs(samples[program] or {}) do list[i] = sample[measure_of[1]] * scale end
  return list
end

local function sum_up(row, measure_of, samples)
  local name = measure_of[1]
  local ours, peers = scaled(measure_of, row.neap, samples), {}
  for p, peer in ipairs(row.peers) do
    local theirs, ratios, excesses = scaled(measure_of, peer, samples), {}, {}
    for i, value in ipairs(theirs) do
      -- Too little work may cost a peer no memory at all.
      if ours[i] and value > 0 then ratios[#ratios + 1] = ours[i] / value end
      excesses[i] = ours[i] and ours[i] - value
    end
    local ratio = summary(ratios)
    peers[p] = {
      value = summary(theirs),
      ratio = ratio,
      goal = judge("ratio", peer.most and peer.most[name], ratio)
        or judge("excess", peer.above and peer.above[name], summary(excesses)),
    }
  end
  local neap_summary = summary(ours)
  return { measure = name, unit = measure_of[2], neap = neap_summary,
    goal = judge("neap", row.goals and row.goals[name], neap_summary), peers = peers }
end

local function describe(program, version)
  return { label = program.label, command = program.command, version = version,
    skipped = program.missing }
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

---@return table options runs, quick, json (true or a file's name), picture
---@return string[] wanted the ids of rows
local function parse(...)
  local options, wanted = { runs = 5 }, {}
  for _, word in ipairs { ... } do
    local name, value = word:match("^%-%-(%a+)=?(.*)$")
    local number = math.tointeger(tonumber(value))
    if not name then
      wanted[#wanted + 1] = word
    elseif name == "runs" then
      if not number or number < 1 then refuse("--runs=N takes a whole number from 1") end
      options.runs = number
    elseif name == "quick" and value == "" then
      options.quick, options.runs = true, 1
    elseif name == "json" then
      options.json = value == "" or value
    elseif name == "picture" and value ~= "" then
      options.picture = value
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
-- The servers end by the pcall, where they may wait for that, should this fail.
local ok, samples, versions = pcall(function()
  local servers <close> = start_servers(selected, build .. "/bin/neap")
  return measure(selected, options.runs, servers)
end)
if not ok then error(samples, 0) end
for i, row in ipairs(selected) do
  local figures, peers = {}, {}
  for j, measure_of in ipairs(row.measures) do figures[j] = sum_up(row, measure_of, samples) end
  for j, peer in ipairs(row.peers) do peers[j] = describe(peer, versions[peer]) end
  results.rows[i] = { id = row.id, title = row.title, figures = neap.json.array(figures),
    neap = describe(row.neap, versions[row.neap]), peers = neap.json.array(peers) }
end

local function write_file(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  assert(file:close())
end

local encoded = options.json and neap.json.encode(results) .. "\n"
io.write(options.json == true and encoded or page.format(results))
if options.json and options.json ~= true then write_file(options.json, encoded) end
if options.picture then write_file(options.picture, picture.draw(results)) end
