--- What all fakes have in common: one of each kind is open at a time, until it is closed.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local options = require "neap.base.options"

--- Makes the class of a fake. Its method `close` ends the fake, and so does a `<close>`
--- variable at the end of its scope. Closing a fake again does nothing.
---@param name string of the class: "neap.testing.Http" is what testing.http opens
---@param restore fun(fake: table) puts back what the fake has replaced
---@return table methods to be added to
---@return table meta the metatable of its objects
---@return fun(fake: table) begin refuses a second fake of this kind; is called before the fake
--- replaces anything
return function(name, restore)
  local Fake, meta = class(name)
  local opener = name:match("%w+%.%w+$"):lower()
  local current -- the fake that is open

  function Fake:close()
    if current ~= self then return end
    current = nil
    restore(self)
  end
  meta.__close = Fake.close

  return Fake, meta, function(fake)
    if current then options.blame(opener .. ": there is a fake already; close it first") end
    current = fake
  end
end
