--- What requests cost, and streams of events.
-- SPDX-License-Identifier: MIT

---@param t bench.Tools
---@return bench.Row[]
return function(t)
  local count = t.part(20000)

  local function neap(...)
    return t.neap_by("neap", "bench/http.lua", ...)
  end

  local function bare(most, ...)
    return t.with(t.c_by("C on libcurl and libuv", "http", ...), { most = most })
  end

  local function undici(what, most, ...)
    local how = what == "fetch" and "fetch" or "request"
    return t.with(t.node_by("undici, " .. what, "undici", "bench/http.mjs", how, t.npm, ...),
      { most = most })
  end

  -- A peer that does less, for it is slow.
  local function slow(made, part)
    return t.with(made, { share = part / count })
  end

  local function plain(id, title, kind, path, concurrency)
    local url, few = "SERVER" .. path, math.max(t.part(4000), 1)
    local exact = concurrency == 64
    return {
      id = "http/" .. id,
      title = title,
      measures = { { "cpu", "us", per = count }, { "wall", "us", per = count } },
      neap = neap(kind, url, count, concurrency),
      peers = {
        bare(exact and { cpu = 1.2 } or nil, kind, url, count, concurrency),
        undici("request", exact and { cpu = 1 / 2.9 } or nil, kind, url, count, concurrency),
        undici("fetch", nil, kind, url, count, concurrency),
        slow(t.python_by("threads of Python", "bench/http_threads.py", kind, url, few,
          concurrency), few),
        slow(t.lua_by("lua-http", "cqueues", "bench/http_luahttp.lua", kind, url, few,
          concurrency), few),
        t.wrk_by("wrk", kind, url, count, concurrency),
      },
    }
  end

  local delayed = t.part(20480)
  local events, streams = 200, t.part(1000)
  return {
    plain("get", "a GET of 1 KB from nginx on this machine, 64 at once", "get", "/1k", 64),
    plain("get-512", "the same, 512 at once", "get", "/1k", 512),
    plain("post", "a POST of 2 KB, answered with 4 KB, 64 at once", "post", "/4k", 64),
    plain("post-512", "the same, 512 at once", "post", "/4k", 512),
    {
      id = "http/tls",
      title = "a GET of 1 KB over TLS with HTTP/2, 64 at once",
      measures = { { "cpu", "us", per = count }, { "wall", "us", per = count } },
      neap = neap("get", "SECURE/1k", count, 64, "CA"),
      peers = {
        bare({ cpu = 1.2 }, "get", "SECURE/1k", count, 64, "CA"),
        undici("HTTP/1.1", nil, "get", "SECURE/1k", count, 64, "CA"),
      },
    },
    {
      id = "http/delayed",
      title = "a GET that is answered after 50 ms, 512 at once: 98 us each at best",
      measures = { { "wall", "us", per = delayed }, { "cpu", "us", per = delayed } },
      goals = { wall = 50000 / 512 / 0.94 },
      neap = neap("get", "SERVER/delayed", delayed, 512),
      peers = {
        bare(nil, "get", "SERVER/delayed", delayed, 512),
        undici("request", nil, "get", "SERVER/delayed", delayed, 512),
      },
    },
    {
      id = "http/events",
      title = ("%d streams at once of %d server-sent events, each in a packet of its own")
        :format(streams, events),
      measures = { { "cpu", "us", per = streams * events }, { "memory", "KB", per = streams } },
      goals = { memory = 60 },
      neap = neap("events", "EVENTS/", streams, streams),
      peers = {
        bare({ cpu = 1.5 }, "events", "EVENTS/", streams, streams),
        undici("request", { cpu = 1 / 4 }, "events", "EVENTS/", streams, streams),
      },
    },
  }
end
