--- JSON (RFC 8259).
-- SPDX-License-Identifier: MIT
--
-- Integers stay integers, reals stay floats, an empty array is told from an
-- empty object. What is wrong with a text or a value raises an error object of
-- code "json": from decode with `line`, `column` and `offset` (all from 1),
-- from encode with `path` (`$.items[3].name`). What encode writes decode reads.
-- Nothing here waits.

---@class neap.Json
---@field null userdata what JSON's null becomes, and what becomes null
---@field decode fun(text: string, options?: neap.JsonDecodeOptions): any
---@field encode fun(value: any, options?: neap.JsonEncodeOptions): string
---@field array fun(list?: table): table marks a table, even an empty one, as an array, and gives it
---@field object fun(t?: table, keys: string[]): table gives a table the order in which encode
---   writes its keys, and gives it; keys that are not in the list come last, sorted

require "neap.base.options" -- says what is wrong with options

return require("neap.core").json ---@type neap.Json
