--- What the folders of all kinds have, made by `neap new`.
-- SPDX-License-Identifier: MIT

---@class neap.cli.Template
---@field about string the first lines of the README, behind the name
---@field usage? string how it is run, as the README says it; default: without arguments
---@field model? string what the README says of models, nil for what asks none
---@field files table<string, string> by their paths; @NAME@ stands for the name

local README = [[
# @NAME@

%s

```sh
%s
neap $(which busted)     # runs the spec
```

`neap graph main.lua` draws the flow, `neap check main.lua` looks for mistakes in it, and
`neap run main.lua --help` tells what else it can be run with. The spec is run by busted, which
Debian has as `lua-busted`, and luarocks as `busted`.
%s]]

local MODEL = [[

## The model

Without a model, answers that are laid down in `main.lua` stand in for one. These variables
name one:

```sh
export NEAP_LLM_URL=http://127.0.0.1:8080/v1    # a server that speaks chat completions, or
export NEAP_LLM_PROVIDER=openai                 # openai, responses, anthropic, gemini, ollama
export NEAP_LLM_MODEL=...
export NEAP_LLM_KEY=...
```

The spec never asks a model: it gives `main.lua` a fake.
]]

local IGNORED = [[
# Keys belong into the environment.
.env

# What luarocks and luacov leave.
/lua_modules/
/luacov.*
]]

local LUACHECK = [[
std = "lua54"
self = false -- a method need not use the node it belongs to
files["spec"] = { std = "+busted" }
]]

--- Returns all files of a template, by their paths.
---@param template neap.cli.Template
---@return table<string, string>
return function(template)
  local files = {
    ["README.md"] = README:format(template.about,
      template.usage or "neap main.lua            # runs it",
      template.model and MODEL .. template.model or ""),
    [".gitignore"] = IGNORED,
    [".luacheckrc"] = LUACHECK,
  }
  for path, text in pairs(template.files) do files[path] = text end
  return files
end
