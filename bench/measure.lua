--- Measures one piece of work and prints what it took, as all programs of the
--- bench do: "wall SECONDS cpu SECONDS memory BYTES WHAT IT IS".
-- SPDX-License-Identifier: MIT
local neap = require "neap"

-- The most memory that the process has had resident so far, in bytes.
local function peak()
  local file = assert(io.open("/proc/self/status"))
  local kilobytes = file:read("a"):match("VmHWM:%s*(%d+) kB")
  file:close()
  return kilobytes * 1024
end

---@param work fun()
---@param what? string  what did it, with its version; default: neap
return function(work, what)
  collectgarbage()
  local memory, cpu, wall = peak(), os.clock(), neap.now()
  work()
  wall, cpu, memory = neap.now() - wall, os.clock() - cpu, peak() - memory
  print(("wall %.6f cpu %.6f memory %d %s"):format(wall, cpu, memory,
    what or "neap " .. neap.version))
end
