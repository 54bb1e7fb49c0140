std = "lua54"
max_line_length = 100
self = false -- a method need not use the node it belongs to
files["spec"] = { std = "+busted" }
files["examples/embed/game"] = { read_globals = { "walk_to" } } -- a function in C
