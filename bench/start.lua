--- The least that neap can do: loads everything and runs an empty flow.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
neap.Flow { start = neap.Node {} }:run()
