-- A server that fails at each byte of its answers in turn: what comes of it is
-- the response as it should be or an error that tells its kind, never a hang
-- and never a part that passes for the whole. So it is when the body is streamed,
-- and what came before the error is the beginning of the whole.
-- SPDX-License-Identifier: MIT
local servers = require "spec.servers"
local neap = require "neap"

local http = require "neap.http"

-- The bytes of an answer at which the server fails: those of every head and
-- body but that of the redirect, and one that lies behind them all.
local PLACES = { 5000 }
for n = 0, 300 do PLACES[n + 2] = n end

-- The paths of the answers, and the options they are asked with.
local answers = {
  ["with a length"] = { "/hello" },
  ["in chunks, with a trailer"] = { "/trailers" },
  ["after interim ones"] = { "/interim" },
  ["of many headers"] = { "/headers/9" },
  ["with a folded header"] = { "/folded" },
  ["that are compressed"] = { "/gzip" },
  ["without a body"] = { "/status/204" },
  ["to a POST"] = { "/echo", { method = "POST", body = "tide" } },
  ["that redirect"] = { "/to/302/hello" },
  ["to a POST in chunks"] = { "/echo", { method = "POST", body = function()
    return coroutine.wrap(function() coroutine.yield("ti") coroutine.yield("de") end)
  end } },
  ["with events"] = { "/events" },
}

describe("a server's answer", function()
  for what, answer in pairs(answers) do
    local path, opts = table.unpack(answer)
    opts = opts or {}

    describe(what, function()
      local base, pipe, whole
      local pieces = setmetatable({}, { __mode = "k" }) -- what came before an error

      -- Reads to the end; an error has what came before it in `pieces`.
      local function read_all(response)
        local got = {}
        local ok, err = pcall(function()
          for bytes in response:chunks() do got[#got + 1] = bytes end
        end)
        if ok then return table.concat(got) end
        pieces[err] = table.concat(got)
        error(err, 0)
      end

      local function get(prefix, stream)
        local request = { url = base .. prefix .. path, timeout = 20, stream = stream }
        for name, value in pairs(opts) do request[name] = value end
        if type(opts.body) == "function" then request.body = opts.body() end
        local response <close> = http.request(request)
        if stream then response.body = read_all(response) end
        -- An echo tells the path that was asked for, which differs.
        response.body = response.body:gsub("^POST %S+", "POST")
        response.headers["content-length"] = nil
        return { response.status, response.body, response.headers }
      end

      -- Returns the outcome at each place: true and what came, or nil and the
      -- error.
      local function sweep(fault, stream)
        return neap.map(PLACES, function(n)
          return table.pack(neap.try(get, ("/%s/%d"):format(fault, n), stream))
        end, { concurrency = 32 })
      end

      -- Checks that all is whole or an error, and returns how many were whole.
      local function check(outcomes)
        local count = 0
        for i = 1, outcomes.n do
          local ok, result = table.unpack(outcomes[i])
          if ok then
            assert.same(whole, result, "at byte " .. PLACES[i])
            count = count + 1
          else
            assert.equal("http", result.code, ("at byte %d: %s"):format(PLACES[i], result))
            local got = (pieces[result] or ""):gsub("^POST %S+", "POST")
            assert.equal(whole[2]:sub(1, #got), got)
          end
        end
        return count
      end

      setup(function()
        base, pipe = servers.fault()
        whole = get("", false)
      end)

      teardown(function() pipe:close() end)

      for _, stream in ipairs { false, true } do
        local how = stream and ", streamed," or ""

        it("is whole or an error" .. how .. " when the connection is closed at any byte",
          function()
            local count = check(sweep("cut", stream))
            assert.is_true(count > 0 and count < #PLACES, count)
          end)

        it("is whole or an error" .. how .. " when the connection is reset at any byte",
          function()
            local count = check(sweep("tear", stream))
            assert.is_true(count > 0 and count < #PLACES, count)
          end)

        it("is whole" .. how .. " when there is a pause at any byte", function()
          assert.equal(#PLACES, check(sweep("lag", stream)))
        end)
      end
    end)
  end
end)
