--- CBOR (RFC 8949): values as bytes, and back as they were.
-- SPDX-License-Identifier: MIT
--
-- What durable runs keep. Integers and floats stay apart, strings have any bytes, keys are
-- strings, numbers or booleans, and a table that is met again comes back as one, so cycles do
-- too. Equal values have equal bytes. What cannot be encoded raises an error object of code
-- "cbor" with `path` (`$.items[3].name`), bytes that encode nothing one with `offset` (from 1).
-- Nothing here waits.
require "neap.base.options" -- makes the messages about wrong options

local cbor = require("neap.core").cbor

---@class neap.Cbor
---@field encode fun(value: any): string
---@field decode fun(bytes: string): any
---@field type fun(name: string, class: table, options?: neap.CborTypeOptions) admits the
--- objects whose metatable is `class`: they are written as `save(object)`, and `load(saved)`
--- makes them again; without these two, by their fields
return { encode = cbor.encode, decode = cbor.decode, type = cbor.type }
