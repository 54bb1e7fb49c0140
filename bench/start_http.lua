--- start_http.lua URL: the least that neap can do with a request.
-- SPDX-License-Identifier: MIT
assert(#require("neap").http.get((...)).body > 0)
