--- Measures one piece of work and prints what it took, as all programs of the
--- bench do: "wall SECONDS cpu SECONDS memory BYTES WHAT IT IS".
-- SPDX-License-Identifier: MIT

-- The most memory that the process has had resident so far, in bytes.
local function peak()
  local file = assert(io.open("/proc/self/status"))
  local kilobytes = file:read("a"):match("VmHWM:%s*(%d+) kB")
  file:close()
  return kilobytes * 1024
end

---@param work fun()
---@param what? string  what did it, with its version; default: neap
---@param now? fun(): number  a clock that tells seconds; default: neap's
return function(work, what, now)
  now = now or require "neap".now
  collectgarbage()
  local memory, cpu, wall = peak(), os.clock(), now()
  work()
  wall, cpu, memory = now() - wall, os.clock() - cpu, peak() - memory
  print(("wall %.6f cpu %.6f memory %d %s"):format(wall, cpu, memory,
    what or "neap " .. require "neap".version))
end
