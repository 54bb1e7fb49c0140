--- `neap version`
-- SPDX-License-Identifier: MIT
local M = {}

---@return integer status
function M.main()
  return require("neap.cli.report").result(
    ("neap %s (%s)\n"):format(require("neap.core").version, _VERSION))
end

return M
