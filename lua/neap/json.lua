--- JSON (RFC 8259).
-- SPDX-License-Identifier: MIT
--
-- Integers stay integers, reals stay floats, and an empty array differs from an empty
-- object. A text or value that cannot be used raises an error object of code "json". It has
-- `line`, `column` and `offset` (all from 1) from decode, and `path` (`$.items[3].name`)
-- from encode. decode reads all that encode writes. Nothing here waits.

---@class neap.Json
---@field null userdata stands for JSON's null
---@field decode fun(text: string, options?: neap.JsonDecodeOptions): any
---@field encode fun(value: any, options?: neap.JsonEncodeOptions): string
---@field array fun(list?: table): table marks a table, even an empty one, as an array; returns it
---@field object fun(t?: table, keys: string[]): table sets the order in which encode writes
--- the keys of a table, and returns the table; keys that are not in the list come last, sorted

require "neap.base.options" -- makes the messages about wrong options

return require("neap.core").json ---@type neap.Json
