--- Reading from sources that give bytes in pieces: by line, by number of bytes, all at once.
-- SPDX-License-Identifier: MIT
--
-- Files, sockets, pipes and the bodies of responses each have one function of their own,
-- `receive`, which gives the next bytes. The methods for reading, which are the same for
-- all, are here.
local new_error = require "neap.error".new
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules

local M = {}

--- The default limit of a line, in bytes: a peer that never ends its line must not use up
--- the memory.
M.MAX_LINE = 16 * 1024 * 1024

---@class neap.Reader
---@field private rest? string a piece that was received; from `at` on it was not yet read
---@field private at? integer
local Reader = {}

-- Returns the rest of the last piece, or else the next one; nil at the end.
local function next_piece(self)
  local rest, at = self.rest, self.at
  if rest then
    self.rest = nil
    if at <= #rest then return at == 1 and rest or rest:sub(at) end
  end
  return (self:receive())
end

--- Keeps `piece` from `at` on for the next read. Nothing else may be kept.
---@param self neap.Reader
---@param piece string
---@param at integer
local function keep(self, piece, at)
  if at <= #piece then self.rest, self.at = piece, at end
end

-- Puts back the pieces that a read has gathered when an error or a cancellation ends it, so
-- that no bytes are lost.
local function put_back(self, pieces)
  if #pieces == 0 then return end
  if self.rest then pieces[#pieces + 1] = self.rest:sub(self.at) end
  self.rest, self.at = table.concat(pieces), 1
end

local holder = { __close = function(held, err)
  if err ~= nil then put_back(held.reader, held.pieces) end
end }

-- Waits for the next piece while `pieces` are held.
local function wait_for_piece(self, pieces)
  if self.rest or #pieces == 0 then return next_piece(self) end
  local _ <close> = setmetatable({ reader = self, pieces = pieces }, holder)
  return next_piece(self)
end

--- Waits for the next bytes and returns them, in whatever pieces they come. Nil at the end.
---@param max? integer the most bytes to return, 1 or more; default: as they come
---@return string|nil bytes never ""
function Reader:read_some(max)
  if max == nil then
    if not self.rest then return (self:receive()) end
    return next_piece(self)
  end
  options.argument(1, "read_some", max, rules.count)
  local piece = next_piece(self)
  if not piece or #piece <= max then return piece end
  keep(self, piece, max + 1)
  return piece:sub(1, max)
end

local function read_all(self)
  local pieces = {}
  while true do
    local piece = wait_for_piece(self, pieces)
    if not piece then return table.concat(pieces) end
    pieces[#pieces + 1] = piece
  end
end

local function read_count(self, count)
  local pieces, missing = {}, count
  repeat
    local piece = wait_for_piece(self, pieces)
    if not piece then break end
    if #piece > missing then
      keep(self, piece, missing + 1)
      piece = piece:sub(1, missing)
    end
    pieces[#pieces + 1] = piece
    missing = missing - #piece
  until missing == 0
  return pieces[1] and (count == 0 and "" or table.concat(pieces))
end

local function read_line(self, with_end, max)
  local rest, at = self.rest, self.at
  local stop = rest and rest:find("\n", at, true)
  if stop and stop - at <= max then -- most lines: nothing to wait for or to join
    self.at = stop + 1
    if stop == #rest then self.rest = nil end
    return rest:sub(at, with_end and stop or stop - 1)
  end
  local pieces, size = {}, 0
  repeat
    local piece = wait_for_piece(self, pieces)
    if not piece then break end
    stop = piece:find("\n", 1, true)
    size = size + (stop and stop - 1 or #piece)
    if size > max then
      pieces[#pieces + 1] = piece
      put_back(self, pieces)
      error(new_error { code = "line", retryable = false,
        message = ("a line is longer than %d bytes"):format(max) }, 0)
    end
    if stop then
      keep(self, piece, stop + 1)
      piece = piece:sub(1, with_end and stop or stop - 1)
    end
    pieces[#pieces + 1] = piece
  until stop
  return pieces[1] and table.concat(pieces)
end

local function check_max(n, where, max)
  if max ~= nil then options.argument(n, where, max, rules.count) end
  return max or M.MAX_LINE
end

local WHAT = { test = function(what)
  return what == "a" or math.type(what) == "integer" and what >= 0
end, expected = '"l", "L", "a" or a number of bytes' }

--- Reads as Lua's file:read does, and waits: "l" (the default) is a line without its end,
--- "L" a line with it, "a" all that is left, and a number so many bytes. Returns nil at the
--- end, or "" for "a". A last line without an end, and fewer bytes than were asked for, are
--- returned as they are. A read that fails or is cancelled loses nothing: the next read
--- begins where it began.
---@param what? "l"|"L"|"a"|integer
---@param max? integer bytes of the longest line, 16 MiB unless given; else code "line" is raised
---@return string|nil
function Reader:read(what, max)
  if what == nil or what == "l" or what == "L" then
    return read_line(self, what == "L", check_max(2, "read", max))
  end
  options.argument(1, "read", what, WHAT)
  if what == "a" then return read_all(self) end
  return read_count(self, what)
end

--- Iterates over the lines, without their ends. Waits for each.
---@param max? integer as for read
---@return fun(): string|nil
function Reader:lines(max)
  max = check_max(1, "lines", max)
  return function() return read_line(self, false, max) end
end

--- Iterates over the pieces as they come. Waits for each.
---@return fun(): string|nil
function Reader:chunks()
  return function() return next_piece(self) end
end

M.keep = keep

--- Takes what was received and not yet read, without a copy: a piece, and where the rest of it
--- begins. Nil if there is none.
---@param self neap.Reader
---@return string|nil piece
---@return integer|nil at
function M.take(self)
  local rest, at = self.rest, self.at
  self.rest = nil
  return rest, at
end

--- Adds the methods for reading to a class. The class has to have `receive(self)`, which
--- waits for the next piece, a string that is not empty, and returns nil at the end, however
--- often it is called.
---@param class table
function M.extend(class)
  for name, method in pairs(Reader) do class[name] = method end
end

return M
