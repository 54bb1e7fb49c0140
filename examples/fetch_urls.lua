-- Fetches many addresses, a few at once, and tries again what may succeed
-- later.
--
--   neap examples/fetch_urls.lua URL ...
--
-- The exit status is 1 if one of them could not be fetched; the others are all
-- the same.
-- SPDX-License-Identifier: MIT
local neap = require "neap"

-- At most eight requests at once. Each has three attempts; the waits between
-- them are about 0.2 and 0.4 s, a bit different for everyone, so that a server
-- that was overrun is not overrun again. One attempt may take ten seconds.
local Fetch = neap.BatchNode:extend {
  name = "Fetch",
  concurrency = 8,
  max_retries = 3,
  wait = 0.2,
  backoff = 2,
  jitter = 0.5,
  timeout = 10,
}

function Fetch:prep(shared)
  return shared.urls
end

-- With `check` a status from 400 is an error like a refused connection. The
-- error says whether another attempt makes sense: after a 404 there is none,
-- after a 503 there is, no sooner than its Retry-After asks for.
function Fetch:exec(_, url)
  local started = neap.now()
  local response = neap.http.get(url, { check = true, connect_timeout = 3 })
  return {
    status = response.status,
    size = #response.body,
    seconds = neap.now() - started,
  }
end

-- What an address gives that could not be fetched. Without this method the
-- first of them would end the flow.
function Fetch:process_after_fail(_, _, err)
  return { error = tostring(err), attempts = self.cur_retry + 1 }
end

function Fetch:post(shared, urls, results)
  shared.failed = 0
  for i, url in ipairs(urls) do
    local result = results[i]
    if result.error then
      shared.failed = shared.failed + 1
      print(("- %s after %d attempt(s): %s"):format(
        url, result.attempts, result.error))
    else
      print(("%d %s, %d bytes in %.2f s"):format(
        result.status, url, result.size, result.seconds))
    end
  end
end

if not neap.is_main() then return Fetch() end -- to neap run, graph and check

local urls = { ... }
if #urls == 0 then
  io.stderr:write("usage: fetch_urls.lua URL ...\n")
  return 2
end

local shared = { urls = urls }
Fetch():run(shared)
return shared.failed > 0 and 1 or 0
