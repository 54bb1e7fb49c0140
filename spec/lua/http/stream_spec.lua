-- Bodies that come and go piece by piece.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local servers = require "spec.servers"
local neap = require "neap"
local failure, collect = helper.failure, helper.collect

local fs, http = neap.fs, neap.http

describe("a streamed response", function()
  local faulty, pipe

  setup(function() faulty, pipe = servers.fault() end)

  teardown(function() pipe:close() end)

  local function get(path, opts)
    local all = { stream = true }
    for name, value in pairs(opts or {}) do all[name] = value end
    local response = http.get(faulty .. path, all)
    return response
  end

  it("is there with its head", function()
    local response <close> = get("/stall")
    assert.equal(200, response.status)
    assert.is_true(response.ok)
    assert.equal("100", response.headers["content-length"])
    assert.is_nil(response.body)
    assert.equal("short", response:read(5))
  end)

  it("gives its body in pieces, by lines, by bytes or whole", function()
    assert.equal("hello", table.concat(collect(get("/hello"):chunks())))
    assert.same({ "ebb", "", "flow" }, collect(get("/text/ebb%0A%0Aflow"):lines()))
    local response <close> = get("/bytes/10")
    assert.equal("xxxx", response:read(4))
    assert.equal("xxxxxx", response:read("a"))
    assert.is_nil(response:read(1))
    assert.equal("high tide", get("/gzip"):read("a"))
    assert.is_nil(get("/status/204"):read())
  end)

  it("is read as JSON when it has come", function()
    assert.same({ tide = { 1, 2 } }, get('/text/{"tide":[1,2]}'):json())
    assert.equal("json", failure(function() get("/hello"):json() end).code)
  end)

  it("that was not streamed is read in the same way", function()
    local response = http.get(faulty .. "/text/ebb%0Aflow")
    assert.equal("ebb", response:read())
    assert.equal("flow", response:read())
    assert.is_nil(response:read())
    assert.equal("ebb\nflow", response.body)
    response:close()
    assert.is_nil(http.get(faulty .. "/status/204"):read())
  end)

  it("that breaks off gives what came, and then the error", function()
    local response <close> = get("/short")
    assert.equal("short", response:read_some())
    for _ = 1, 2 do
      local err = failure(response.read_some, response)
      assert.equal("http", err.code)
      assert.is_true(err.retryable)
      assert.equal(faulty .. "/short", err.url)
      assert.equal(("http.get %s/short: the connection ended before the answer was complete")
        :format(faulty), err.message)
    end
  end)

  it("has its time limits", function()
    local response <close> = get("/stall", { idle_timeout = 0.05 })
    assert.equal("short", response:read_some())
    assert.equal("timeout", failure(response.read, response).code)
    local other <close> = get("/stall", { timeout = 0.05 })
    local err = failure(other.read, other, "a")
    assert.equal("timeout", err.code)
    assert.truthy(err.message:find("total timeout of 0.050 s", 1, true))
    assert.equal("short", other:read(5)) -- what an error interrupts is not lost
  end)

  it("may be idle for less time than its head", function()
    local response <close> = get("/stall", { idle_timeout = 60 })
    assert.equal("short", response:read_some())
    response:limit_idle(0.05)
    local err = failure(response.read, response)
    assert.equal("timeout", err.code)
    assert.truthy(err.message:find("idle timeout of 0.050 s", 1, true))
    assert.matches("bad argument #1 to 'limit_idle' (positive number of seconds expected, got 0)",
      failure(response.limit_idle, response, 0), 1, true)
    response:limit_idle(1) -- it has ended: nothing
  end)

  it("may be idle for ever again", function()
    local response <close> = get("/drip", { idle_timeout = 0.3 })
    response:limit_idle(nil)
    assert.truthy(#response:read("a") > 0)
    response:limit_idle(0.01)
    assert.is_nil(http.get(faulty .. "/drip"):limit_idle(1))
  end)

  it("is as large as it may be", function()
    local response <close> = get("/bytes/100000", { max_body = 1000 })
    assert.equal("http", failure(response.read, response, "a").code)
  end)

  it("is read by one at a time", function()
    local response <close> = get("/stall")
    assert.equal("short", response:read(5))
    local task = neap.spawn(response.read, response)
    neap.sleep(0)
    local err = failure(response.read, response)
    assert.equal("busy", err.code)
    task:cancel()
    assert.is_false((pcall(task.await, task)))
  end)

  it("loses nothing when a read is cancelled", function()
    local response <close> = get("/drip")
    local ok, err = neap.try(neap.timeout, 0.05, response.read, response, "a")
    assert.is_nil(ok)
    assert.equal("timeout", err.code)
    assert.equal("ddddd", response:read("a"))
  end)

  it("that is closed ends who waits for it", function()
    local response = get("/stall")
    assert.equal("short", response:read(5))
    local task = neap.spawn(function() return failure(response.read, response) end)
    neap.sleep(0)
    response:close()
    assert.equal("closed", task:await().code)
    assert.equal("closed", failure(response.read, response).code)
    response:close()
  end)

  it("that nobody wants any more closes its connection", function()
    local closed = neap.event()
    local address, server = servers.script(function(_, connection)
      connection:write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
      assert(not connection:read_some())
      closed:set()
    end)
    do
      local response = http.get(address, { stream = true })
      assert.equal(200, response.status)
    end
    collectgarbage()
    collectgarbage()
    neap.timeout(10, closed.wait, closed)
    server:cancel()
    pcall(server.await, server)
  end)

  it("holds up the server as long as nobody reads", function()
    local sent, piece = 0, ("x"):rep(64 * 1024)
    local total = 16 * 1024 * 1024
    local address, server = servers.script(function(_, connection)
      connection:write("HTTP/1.1 200 OK\r\nContent-Length: ", total, "\r\n\r\n")
      while sent < total do
        connection:write(piece)
        sent = sent + #piece
      end
    end)
    local response <close> = http.get(address, { stream = true })
    local before
    repeat
      before = sent
      neap.sleep(0.05)
    until sent == before
    assert.is_true(sent < total / 2, sent)
    local size = 0
    for bytes in response:chunks() do size = size + #bytes end
    assert.equal(total, size)
    server:cancel()
    pcall(server.await, server)
  end)

  it("with a status to be checked raises with what the body says", function()
    local address, server = servers.script(function(_, connection)
      connection:write("HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nebb")
    end)
    local err = failure(http.get, address, { stream = true, check = true })
    assert.equal(400, err.status)
    assert.equal("ebb", err.body)
    server:cancel()
    pcall(server.await, server)
  end)

  it("is asked for again after a status that passes", function()
    local count = 0
    local address, server = servers.script(function(_, connection)
      count = count + 1
      connection:write(count < 3 and "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nwait"
        or "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntide")
    end)
    local response <close> = http.get(address, { stream = true, max_retries = 3 })
    assert.equal("tide", response:read("a"))
    server:cancel()
    pcall(server.await, server)
  end)
end)

describe("the body of a request", function()
  local faulty, pipe, folder

  setup(function()
    faulty, pipe = servers.fault()
    folder = helper.tmpdir()
  end)

  teardown(function() pipe:close() end)

  local function pieces(...)
    local list, i = { ... }, 0
    return function()
      i = i + 1
      neap.sleep(0.001)
      return list[i]
    end
  end

  local function echoed(response)
    return response.body:match("\r\n\r\n(.*)$")
  end

  it("may be a function, sent in chunks", function()
    local response = http.post(faulty .. "/echo", { body = pieces("high", "", " tide") })
    assert.equal("4\r\nhigh\r\n5\r\n tide\r\n0\r\n\r\n", echoed(response))
    assert.truthy(response.body:find("\r\nTransfer%-Encoding: chunked\r\n"))
    assert.equal("0\r\n\r\n", echoed(http.post(faulty .. "/echo", { body = pieces() })))
  end)

  it("may be a function with a size", function()
    local response = http.request { url = faulty .. "/echo", method = "PUT",
      body = pieces("high", " tide"), body_size = 9 }
    assert.equal("high tide", echoed(response))
    assert.truthy(response.body:find("\r\nContent%-Length: 9\r\n"))
  end)

  it("may be a file", function()
    local path = helper.write(folder .. "/body", ("tide\n"):rep(50000))
    local response = http.post(faulty .. "/echo", { file = path })
    assert.equal(("tide\n"):rep(50000), echoed(response))
    assert.truthy(response.body:find("\r\nContent%-Length: 250000\r\n"))
    assert.equal("", echoed(http.post(faulty .. "/echo",
      { file = helper.write(folder .. "/empty", "") })))
    local err = failure(http.post, faulty .. "/echo", { file = folder .. "/missing" })
    assert.equal("fs", err.code)
    assert.equal("ENOENT", err.errno)
  end)

  for _, path in ipairs { "/proc/version", "/sys/devices/system/cpu/online" } do
    it("may be a file of which the system tells another size: " .. path, function()
      local text = neap.fs.read(path)
      local response = http.post(faulty .. "/echo", { file = path })
      assert.equal(text, echoed(response))
      assert.equal(tostring(#text), response.body:match("\r\nContent%-Length: (%d+)\r\n"))
    end)
  end

  it("may be such a file of any size, which is sent in chunks", function()
    local path = "/proc/kallsyms"
    local size = #neap.fs.read(path)
    assert.is_true(size > 65536)
    local address, server = servers.script(function(request, connection)
      local received = 0
      for line in connection:lines() do
        local count = tonumber(line:match("%x+"), 16)
        if count > 0 then received = received + #connection:read(count) end
        connection:read()
        if count == 0 then break end
      end
      local body = request.headers["transfer-encoding"] .. " " .. received
      connection:write("HTTP/1.1 200 OK\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body)
    end)
    assert.equal("chunked " .. size, http.post(address, { file = path }).body)
    server:cancel()
    pcall(server.await, server)
  end)

  it("may be what another server sends", function()
    local from <close> = http.get(faulty .. "/bytes/300000", { stream = true })
    local response = http.post(faulty .. "/echo", { body = from:chunks(), body_size = 300000 })
    assert.equal(("x"):rep(300000), echoed(response))
  end)

  it("is sent on while the answer streams already", function()
    local address, server = servers.script(function(_, connection)
      connection:write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
      connection:write("4\r\n", connection:read(4), "\r\n")
      connection:write("4\r\n", connection:read(4), "\r\n0\r\n\r\n")
    end)
    local response <close> = http.post(address,
      { stream = true, body = pieces("high", "tide"), body_size = 8 })
    assert.equal("hightide", response:read("a"))
    server:cancel()
    pcall(server.await, server)
  end)

  it("is not sent to its end when the server refuses it", function()
    local given = 0
    local function endless()
      given = given + 1
      return ("x"):rep(64 * 1024)
    end
    for _, path in ipairs { "/early/413", "/early/500" } do
      local response = http.post(faulty .. path, { body = endless, timeout = 20 })
      assert.equal(path:match("%d+"), tostring(response.status))
      assert.equal("early", response.body)
      local other <close> = http.post(faulty .. path,
        { body = endless, stream = true, timeout = 20 })
      assert.equal("early", other:read("a"))
    end
    assert.is_true(given < 2000)
  end)

  it("is refused while the function still waits", function()
    local response = http.post(faulty .. "/early/413",
      { body = function() neap.sleep(3600) end, timeout = 20 })
    assert.equal(413, response.status)
  end)

  it("that nobody reads holds up who makes it", function()
    local given = 0
    local ok, err = neap.try(http.post, faulty .. "/deaf", { timeout = 0.3, body = function()
      given = given + 1
      return ("x"):rep(64 * 1024)
    end })
    assert.is_nil(ok)
    assert.equal("timeout", err.code)
    assert.is_true(given < 1000, given)
  end)

  it("fails the request with what the function raises", function()
    local err = failure(http.post, faulty .. "/echo", { body = function() error("ebb", 0) end })
    assert.equal("ebb", err)
    err = failure(http.post, faulty .. "/echo", { body = function() return 7 end })
    assert.equal("http.post: the function 'body' gives strings, and nil at the end; got a number",
      err)
    err = failure(http.post, faulty .. "/echo", { body = pieces("tide"), body_size = 3 })
    assert.equal("the body has more bytes than the 3 of body_size", err.message)
    err = failure(http.post, faulty .. "/echo", { body = pieces("tide"), body_size = 5 })
    assert.equal("the body has fewer bytes than the 5 of body_size", err.message)
  end)

  it("is not made any further when the request is cancelled", function()
    local stopped = 0
    local task = neap.spawn(http.post, faulty .. "/deaf", { body = function()
      local _ <close> = setmetatable({}, { __close = function() stopped = stopped + 1 end })
      neap.sleep(3600)
    end })
    neap.sleep(0.02)
    task:cancel()
    pcall(task.await, task)
    assert.equal(1, stopped)
  end)

  it("is sent again after a redirect or a failure only when that can be", function()
    local path = helper.write(folder .. "/again", "tide")
    local response = http.post(faulty .. "/to/303/echo", { file = path })
    assert.truthy(response.body:find("^GET /echo"))
    local err = failure(http.post, faulty .. "/to/307/echo", { file = path })
    assert.truthy(err.message:find("a redirect asks for the body again", 1, true))
    local ok, why = pcall(http.request, { url = faulty, method = "PUT", body = pieces(),
      max_retries = 2 })
    assert.is_false(ok)
    assert.truthy(why:find("'max_retries' cannot repeat a body that is a function", 1, true))
    local count = 0
    local address, server = servers.script(function(request, connection)
      count = count + 1
      assert.equal("tide", connection:read(tonumber(request.headers["content-length"])))
      connection:write(count == 1 and "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
        or "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    end)
    response = http.request { url = address, method = "PUT", file = path, max_retries = 2 }
    assert.equal(200, response.status)
    assert.equal(2, count)
    server:cancel()
    pcall(server.await, server)
  end)

  it("is one of several kinds", function()
    local function misused(message, opts)
      local err = failure(http.post, faulty, opts)
      assert.equal(message, (err:gsub("^[^:]+:%d+: ", "")))
    end
    misused("http.post: the options 'body' and 'file' exclude each other",
      { body = "x", file = "y" })
    misused("http.post: the options 'file' and 'json' exclude each other",
      { json = 1, file = "y" })
    misused("http.post: bad option 'body' (string or function expected, got boolean)",
      { body = true })
    misused("http.post: the option 'body_size' is for a body that is a function",
      { body = "x", body_size = 1 })
  end)
end)

describe("over HTTP/2", function()
  local nginx, folder, opts

  setup(function()
    folder = helper.tmpdir()
    servers.certificates(folder)
    helper.write(folder .. "/large", ("ebb and flow\n"):rep(400000))
    nginx = servers.nginx(folder, { secure = true, server = [[
      client_max_body_size 20m;
      location /large { root .; }
      location /refused { return 413 early; }
      location /put/ { root .; dav_methods PUT; create_full_put_path on; }
    ]] })
    opts = { ca_file = folder .. "/ca.pem", stream = true }
  end)

  teardown(function() nginx.pipe:close() end)

  it("one stream that is not read does not hold up another", function()
    local idle <close> = http.get(nginx.secure .. "/large", opts)
    assert.equal(200, idle.status)
    local busy <close> = neap.timeout(20, http.get, nginx.secure .. "/large", opts)
    local size = 0
    neap.timeout(20, function()
      for bytes in busy:chunks() do size = size + #bytes end
    end)
    assert.equal(5200000, size)
    assert.equal(5200000, #neap.timeout(20, idle.read, idle, "a"))
  end)

  it("a body goes out piece by piece", function()
    local count = 0
    local response = http.request { url = nginx.secure .. "/put/tide", method = "PUT",
      ca_file = opts.ca_file, timeout = 20, body = function()
        count = count + 1
        if count % 10 == 0 then neap.sleep(0.001) end
        return count <= 100 and ("x"):rep(50000) or nil
      end }
    assert.equal(201, response.status)
    assert.equal(5000000, #fs.read(folder .. "/put/tide"))
  end)

  it("a refusal ends the sending", function()
    local response = http.post(nginx.secure .. "/refused", { ca_file = opts.ca_file, timeout = 20,
      body = function() return ("x"):rep(64 * 1024) end })
    assert.equal(413, response.status)
  end)
end)
