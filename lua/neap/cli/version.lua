--- `neap version`
-- SPDX-License-Identifier: MIT
local M = {}

---@return integer status
function M.main()
  print(("neap %s (%s)"):format(require("neap.core").version, _VERSION))
  return 0
end

return M
