local M = {}
function M.main(file, ...)
  local f = assert(loadfile(file))
  return f(...)
end
return M
