--- Programs of spec/fuzz/generate.lua as Lua.
-- SPDX-License-Identifier: MIT
local M = {}

local write_block

local function write_statement(out, statement, indent)
  local words = { statement.id, table.unpack(statement) }
  out[#out + 1] = indent .. (statement.scoped and "local _ <close> = " or "") ..
    (statement.name == "leave" and "do return " or "") .. "w:" .. statement.name .. "(" ..
    table.concat(words, ", ")
  for _, block in ipairs(statement.blocks or {}) do
    if #block == 0 then
      out[#out] = out[#out] .. ", function() end"
    else
      out[#out] = out[#out] .. ", function()"
      write_block(out, block, indent .. "  ")
      out[#out + 1] = indent .. "end"
    end
  end
  out[#out] = out[#out] .. ")" .. (statement.name == "leave" and " end" or "")
end

function write_block(out, block, indent)
  for _, statement in ipairs(block) do write_statement(out, statement, indent) end
end

local function list_of(numbers) return "{ " .. table.concat(numbers, ", ") .. " }" end

--- Gives the Lua text of a program. It returns what spec/fuzz/world.lua plays: a
--- table with what the program acts upon, and its `body`, a function of a world.
---@param program fuzz.program
---@return string
function M.text(program)
  local limiters = {}
  for i, limiter in ipairs(program.limiters) do
    limiters[i] = ("{ rate = %d, burst = %d }"):format(limiter.rate, limiter.burst)
  end
  local out = {
    ("return { seed = %d, clock = %q, tide = %s,"):format(program.seed, program.clock,
      program.tide),
    ("  channels = %s, semaphores = %s,"):format(list_of(program.channels),
      list_of(program.semaphores)),
    ("  events = %d, limiters = %s,"):format(program.events, list_of(limiters)),
    ("  collect = %d, ghosts = {"):format(program.collect),
  }
  for _, ghost in ipairs(program.ghosts) do
    out[#out + 1] = "  function(w)"
    write_block(out, ghost, "    ")
    out[#out + 1] = "  end,"
  end
  out[#out + 1] = "  }, body = function(w)"
  write_block(out, program.body, "    ")
  out[#out + 1] = "  end }\n"
  return table.concat(out, "\n")
end

return M
