-- Runs specs: lua5.4 spec/run.lua FILE|FOLDER... from the project's folder,
-- or the same inside `neap`.
--
-- busted's own front belongs to the Lua that its package was made for and
-- prints for people. This one uses busted's core in whichever Lua runs it,
-- checks after each spec that the engine is empty, prints what failed, and
-- ends with the line "N passed, N failed" that ./dev adds up.
-- SPDX-License-Identifier: MIT
local busted = require "busted.core"()
require "busted"(busted)
require "busted.languages.en"
local helper = require "spec.helper"

-- busted forgets the modules that a spec file loaded when it is through with
-- it. The core is loaded before, so that all files share it; a core that
-- cannot be loaded is reported by the specs that need it.
local has_core = pcall(require, "neap.core")

local stress = math.tointeger(tonumber(os.getenv("NEAP_GC_STRESS")))
if stress and has_core then require "spec.gc_stress".begin(stress) end

local passed, failed = 0, 0
local current -- the full name of the `it` that ran last

local function full_name(element)
  local names = {}
  while element and element.descriptor ~= "suite" do
    table.insert(names, 1, element.name)
    element = busted.context.parent(element)
  end
  return table.concat(names, " > ")
end

local function indent(text)
  return "    " .. text:gsub("^%s+", ""):gsub("%s+$", ""):gsub("\n", "\n    ")
end

local function report(element, _, message, trace)
  failed = failed + 1
  local name = full_name(element)
  if element.descriptor ~= "it" and current then
    name = ("%s (in %s, after %s)"):format(name, element.descriptor, current)
  end
  print("FAILED " .. name)
  print(indent(tostring(message)))
  if trace and trace.traceback and trace.traceback:find("%S") then
    print(indent(trace.traceback))
  end
  return nil, true -- let other subscribers see the event
end

busted.subscribe({ "failure" }, report)
busted.subscribe({ "error" }, report)
busted.subscribe({ "test", "start" }, function(element)
  current = full_name(element)
  return nil, true
end)
busted.subscribe({ "test", "end" }, function(element, _, status)
  if status == "success" then
    passed = passed + 1
  elseif status == "pending" then
    print("PENDING " .. full_name(element))
  end
  return nil, true
end)

-- Registered at the root, hence run after each file's own.
busted.executors.after_each(helper.after_each)

local load_files = require "busted.modules.test_file_loader"(busted, { "lua" })
load_files({ ... }, { "_spec%.lua$" }, { excludes = {}, recursive = true })
require "busted.execute"(busted)(1, {})
helper.cleanup()

print(("%d passed, %d failed"):format(passed, failed))
if failed > 0 or passed == 0 then
  os.exit(1)
end
