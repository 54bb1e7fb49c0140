--- Files. Every function waits while the file system works, and lets others
--- run meanwhile.
-- SPDX-License-Identifier: MIT
--
-- A failure raises an error object of code "fs" with `path` and, where the
-- system refused, `errno` ("ENOENT").

---@class neap.fs.Entry
---@field name string
---@field type "file"|"directory"|"link"|"other"

---@class neap.fs.Stat
---@field type "file"|"directory"|"link"|"other" of what the path leads to, links followed
---@field size integer bytes
---@field mtime number seconds since 1970
---@field mode integer permission bits

---@class neap.Fs
---@field read fun(path: string, options?: { max_size?: integer }): string at most max_size bytes
---@field write fun(path: string, data: string) replaces the content
---@field append fun(path: string, data: string) adds to the content
---@field list fun(path: string): neap.fs.Entry[] sorted by name
---@field stat fun(path: string): neap.fs.Stat

return require("neap.core").fs ---@type neap.Fs
