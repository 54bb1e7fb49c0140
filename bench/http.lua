--- http.lua KIND URL COUNT CONCURRENCY [CA]: so many requests, so many of them at
--- once. KIND is "get", "post", or "events": then each is a stream of server-sent
--- events.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local measure = require "bench.measure"

local kind, url, count, concurrency, ca_file = ...
count, concurrency = math.tointeger(tonumber(count)), math.tointeger(tonumber(concurrency))

local kinds, body = {}, ("x"):rep(2048)

local function check(response)
  assert(response.status == 200 and #response.body > 0)
end

function kinds.get()
  check(neap.http.get(url))
end

function kinds.secure()
  check(neap.http.get(url, { ca_file = ca_file }))
end

function kinds.post()
  check(neap.http.post(url, { body = body }))
end

function kinds.events()
  local response <close>, last = neap.http.get(url, { stream = true })
  for event in response:events() do last = event end
  assert(#last.data > 0)
end

local request = kinds[ca_file and "secure" or kind]

measure(function()
  local left = count
  local function work()
    while left > 0 do
      left = left - 1
      request()
    end
  end
  local workers = {}
  for i = 1, concurrency do workers[i] = work end
  neap.gather(workers)
end)
