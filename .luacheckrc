std = "lua54"
max_line_length = 100
self = false -- a method need not use the node it belongs to
files["spec"] = { std = "+busted" }
