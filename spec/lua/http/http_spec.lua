-- HTTP for scripts, against nginx and against a server that misbehaves.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local servers = require "spec.servers"
local neap = require "neap"
local failure = helper.failure

local http = require "neap.http"

-- Starts nginx with the answers that these specs ask for.
local function start_nginx()
  local folder = helper.tmpdir()
  servers.certificates(folder)
  helper.write(folder .. "/tides.txt", ("ebb and flow\n"):rep(1000))
  helper.write(folder .. "/large.txt", ("ebb and flow\n"):rep(500000))
  return servers.nginx(folder, {
    secure = true,
    http = "gzip on; gzip_types text/plain; gzip_min_length 1;",
    server = [[
      location = /protocol { return 200 $server_protocol; }
      location = /file { alias tides.txt; }
      location = /large { alias large.txt; }
      location = /busy { add_header Retry-After 7 always; return 429; }
      location = /down { return 503; }
    ]],
  })
end

describe("neap.http", function()
  local faulty, fault_pipe
  local nginx, plain, secure, folder

  setup(function()
    faulty, fault_pipe = servers.fault()
    nginx = start_nginx()
    plain, secure, folder = nginx.plain, nginx.secure, nginx.folder
  end)

  teardown(function()
    fault_pipe:close()
    nginx.pipe:close()
  end)

  describe("gets a response", function()
    it("with status, headers and body", function()
      local response = http.get(faulty .. "/hello")
      assert.equal(200, response.status)
      assert.is_true(response.ok)
      assert.equal("hello", response.body)
      assert.equal("high tide", response.headers["x-greeting"])
      assert.same({ "a=1", "b=2" }, response.headers["set-cookie"])
      assert.equal(faulty .. "/hello", response.url)
    end)

    it("that was compressed, however slowly it is read", function()
      local opts = { stream = true, ca_file = folder .. "/ca.pem" }
      for _, base in ipairs { plain, secure } do
        neap.map({ 1, 2, 3 }, function(i)
          local response <close> = http.get(base .. "/large", opts)
          assert.equal("gzip", response.headers["content-encoding"])
          local size, turns = 0, 0
          for bytes in response:chunks() do
            size, turns = size + #bytes, turns + 1
            if turns % i == 0 then neap.sleep(0.001) end
          end
          assert.equal(6500000, size)
        end)
      end
    end)

    it("of any status without raising", function()
      local response = http.get(plain .. "/down")
      assert.equal(503, response.status)
      assert.is_false(response.ok)
    end)

    it("after redirects, by default", function()
      local response = http.get(faulty .. "/to/302/to/301/hello")
      assert.equal(200, response.status)
      assert.equal(faulty .. "/hello", response.url)
      assert.equal(302, http.get(faulty .. "/to/302/hello", { max_redirects = 0 }).status)
    end)

    it("and decodes what was compressed on the way", function()
      local response = http.get(plain .. "/file")
      assert.equal("gzip", response.headers["content-encoding"])
      assert.equal(("ebb and flow\n"):rep(1000), response.body)
    end)

    it("over HTTP/2 where there is TLS, else over HTTP/1.1", function()
      local opts = { ca_file = folder .. "/ca.pem" }
      assert.equal("HTTP/2.0", http.get(secure .. "/protocol", opts).body)
      assert.equal("HTTP/1.1", http.get(plain .. "/protocol").body)
    end)

    it("many at once", function()
      local tasks = {}
      for i = 1, 50 do
        tasks[i] = function() return #http.get(faulty .. "/bytes/" .. i).body end
      end
      local sizes = neap.gather(tasks)
      for i = 1, 50 do assert.equal(i, sizes[i]) end
    end)
  end)

  describe("sends", function()
    it("the query, escaped and sorted", function()
      local query = { q = "a b&c/ü", n = 3, flag = true, list = { "x", "y" } }
      local body = http.get(faulty .. "/echo?first=1#part", { query = query }).body
      assert.equal("/echo?first=1&flag=true&list=x&list=y&n=3&q=a%20b%26c%2F%C3%BC",
        body:match("^GET (%S+) HTTP/1.1\r\n"))
    end)

    it("headers, and its name unless another is given", function()
      local body = http.get(faulty .. "/echo", { headers = { ["X-Depth"] = 3 } }).body
      assert.truthy(body:find("\r\nX-Depth: 3\r\n", 1, true))
      assert.truthy(body:find("\r\nUser-Agent: neap/", 1, true))
      body = http.get(faulty .. "/echo", { headers = { ["user-agent"] = "buoy" } }).body
      assert.falsy(body:find("neap/", 1, true))
    end)

    it("a value as JSON", function()
      local body = http.post(faulty .. "/echo", { json = { tide = 1 } }).body
      assert.truthy(body:find("^POST /echo "))
      assert.truthy(body:find("\r\ncontent-type: application/json\r\n", 1, true))
      assert.truthy(body:find("\r\n\r\n{\"tide\":1}", 1, true))
      assert.truthy(http.post(faulty .. "/echo", { json = false }).body:find("\r\n\r\nfalse$"))
    end)

    it("a body as it is, with the type that was given", function()
      local body = http.post(faulty .. "/echo",
        { body = "a\0b", headers = { ["Content-Type"] = "text/tide" } }).body
      assert.truthy(body:find("\r\nContent-Type: text/tide\r\n", 1, true))
      assert.equal("a\0b", body:match("\r\n\r\n(.*)$"))
    end)

    it("any method", function()
      local response = http.request { url = faulty .. "/echo", method = "delete" }
      assert.truthy(response.body:find("^DELETE "))
    end)
  end)

  describe("decodes JSON", function()
    it("of a body", function()
      local response = http.post(faulty .. "/echo", { json = { 1, { a = 2 } } })
      response.body = response.body:match("\r\n\r\n(.*)$")
      assert.same({ 1, { a = 2 } }, response:json())
    end)

    it("or says where it is none, and whose", function()
      local err = failure(function() return http.get(faulty .. "/hello?key=secret"):json() end)
      assert.equal("json", err.code)
      assert.equal(1, err.line)
      assert.equal(faulty .. "/hello", err.url)
      assert.equal(faulty .. "/hello: ", err.message:sub(1, #faulty + 8))
      assert.falsy(err.message:find("secret", 1, true))
    end)
  end)

  describe("raises an error", function()
    -- What a request for this path raises has these fields.
    local function fails(path, fields, opts)
      local err = failure(http.get, faulty .. path, opts)
      fields.url = faulty .. path
      fields.message = ("http.get %s: %s"):format(fields.url, fields.message)
      fields.code = fields.code or "http"
      for name, value in pairs(fields) do assert.equal(value, err[name]) end
    end

    it("for a server that closes early", function()
      fails("/short", { retryable = true,
        message = "the connection ended before the answer was complete" })
      fails("/reset", { retryable = true, message = "the connection broke" })
    end)

    it("for a server that answers nothing", function()
      -- By a name of its own: a connection that has been used before could have
      -- died meanwhile, and the request would be sent again.
      local url = faulty:gsub("127%.0%.0%.1", "localhost") .. "/nothing"
      local err = failure(http.get, url)
      assert.equal("http", err.code)
      assert.is_true(err.retryable)
      assert.equal(("http.get %s: the server closed the connection without an answer")
        :format(url), err.message)
    end)

    it("for a server that sends garbage", function()
      fails("/garbage", { retryable = false, message = "the answer is not HTTP" })
    end)

    it("for a refused connection", function()
      local url = "http://127.0.0.1:" .. servers.free_port() .. "/x"
      local err = failure(http.get, url .. "?key=secret")
      assert.equal("http", err.code)
      assert.is_true(err.retryable)
      assert.equal(url, err.url)
      assert.equal(("http.get %s: connection refused"):format(url), err.message)
    end)

    it("for a body larger than allowed", function()
      fails("/bytes/2000", { retryable = false,
        message = "the body is larger than 1000 bytes" }, { max_body = 1000 })
    end)

    it("for too many redirects", function()
      fails("/loop", { retryable = false, message = "more than 10 redirects" })
    end)

    it("for each time limit", function()
      fails("/hang", { code = "timeout", retryable = true,
        message = "total timeout of 0.050 s" }, { timeout = 0.05 })
      fails("/stall", { code = "timeout", retryable = true,
        message = "idle timeout of 0.050 s" }, { idle_timeout = 0.05 })
      for text, seconds in pairs { ["0.000500"] = 0.0005, ["0.000000001"] = 1e-9,
        ["0.001234500"] = 0.0012345 } do
        fails("/hang", { code = "timeout", retryable = true,
          message = ("total timeout of %s s"):format(text) }, { timeout = seconds })
      end
    end)

    it("for a certificate that nobody vouches for", function()
      local err = failure(http.get, secure .. "/protocol")
      assert.equal("http", err.code)
      assert.is_false(err.retryable)
      assert.truthy(err.message:find("TLS: .*certificate"))
    end)

    it("for a certificate of another host", function()
      local url = secure:gsub("127%.0%.0%.1", "localhost") .. "/protocol"
      local err = failure(http.get, url, { ca_file = folder .. "/ca.pem" })
      assert.is_false(err.retryable)
      assert.truthy(err.message:find("TLS: .*localhost"))
    end)

    it("for a status from 400 when told to check", function()
      local err = failure(http.get, plain .. "/busy?key=secret", { check = true })
      assert.equal("http", err.code)
      assert.equal(429, err.status)
      assert.is_true(err.retryable)
      assert.equal(7, err.retry_after)
      assert.equal(("http.get %s/busy: status 429"):format(plain), err.message)
      assert.is_false(failure(http.get, plain .. "/none", { check = true }).retryable)
      assert.equal(200, http.get(plain .. "/protocol", { check = true }).status)
    end)
  end)

  describe("refuses", function()
    -- Misuse is an error at the line that committed it.
    local function misused(message, f, ...)
      local err = failure(f, ...)
      assert.equal("string", type(err))
      assert.equal(message, (err:gsub("^[^:]+:%d+: ", "")))
    end

    -- A text of no use in a request is an error that no retry can cure.
    local function refused(message, f, ...)
      local err = helper.refused("http", f, ...)
      assert.equal(message, err.message)
      assert.is_false(err.retryable)
    end

    it("addresses that are none", function()
      misused("bad argument #1 to 'get' (string expected, got nil)", http.get)
      misused("http.request: the option 'url' is missing", http.request, {})
      refused("http.get: the url does not begin with http:// or https://",
        http.get, "127.0.0.1/x")
      refused("http.get: the scheme of the url is neither http nor https",
        http.get, "file:///etc/passwd")
      refused("http.get: the url has a zero byte", http.get, "http://127.0.0.1/\0")
    end)

    it("headers that would break out of their line", function()
      local control = "http.get: the value of the header 'X' has a control character"
      for _, value in ipairs { "a\r\nY: b", "a\n", "a\rb" } do
        refused(control, http.get, faulty, { headers = { X = value } })
      end
      refused("http.get: the header has a zero byte", http.get, faulty, { headers = { X = "\0" } })
      refused("http.get: the name of a header is not an HTTP token",
        http.get, faulty, { headers = { ["X\r\nY"] = "z" } })
    end)

    it("options that are misspelt or of the wrong kind", function()
      misused("http.get: unknown option 'time_out'; did you mean 'timeout'?",
        http.get, faulty, { time_out = 1 })
      misused("http.get: bad option 'timeout' (positive number of seconds expected, got -1)",
        http.get, faulty, { timeout = -1 })
      misused("http.get: bad option 'max_body' (whole number from 1 expected, got 0)",
        http.get, faulty, { max_body = 0 })
      misused("http.post: the options 'body' and 'json' exclude each other",
        http.post, faulty, { body = "x", json = 1 })
      misused("http.get: bad option 'headers' (table of strings, numbers or secrets by name "
        .. "expected, got table)", http.get, faulty, { headers = { "X: y" } })
    end)

    it("queries with entries that have no name", function()
      local asked = http.get(faulty .. "/echo", { query = { a = "b" } }).body
      assert.truthy(asked:find("^GET /echo%?a=b HTTP"))
      local message = "http.get: the option 'query' has an entry without a name, at %s;"
        .. " write { name = value }"
      for at, query in pairs { ["[1]"] = { "a=b" }, ["[5]"] = { [5] = "v" },
        ['""'] = { [""] = "v" }, ["boolean"] = { [true] = "v" }, ["[2.5]"] = { [2.5] = "v" } } do
        query.other = "x"
        misused(message:format(at), http.get, faulty, { query = query })
      end
    end)

    it("queries with values that have no text", function()
      local message = "http.get: the option 'query': 'q' is a string, a number, a boolean or a"
        .. " list of these, got a %s"
      misused(message:format("function"), http.get, faulty, { query = { q = print } })
      for _, value in ipairs { { { "x" } }, { x = "y" }, { "x", y = "z" }, { "x", nil, "y" },
        { print } } do
        misused(message:format("table that is none"), http.get, faulty, { query = { q = value } })
      end
      assert.truthy(http.get(faulty .. "/echo", { query = { q = {}, r = { 1, true, 2.5, "" } } })
        .body:find("^GET /echo%?r=1&r=true&r=2%.5&r= HTTP"))
    end)

    it("a value that JSON has not, as no retry gives it one", function()
      local err = failure(http.post, faulty, { json = { print } })
      assert.equal("json", err.code)
      assert.equal("$[1]", err.path)
      assert.is_false(err.retryable)
    end)

    it("misuse at the caller's line", function()
      local line = debug.getinfo(1, "l").currentline + 1
      local err = failure(function() local r = http.get(faulty, { tmeout = 1 }) return r end)
      assert.equal(("http_spec.lua:%d:"):format(line), err:match("http_spec%.lua:%d+:"))
    end)
  end)

  describe("when cancelled", function()
    it("drops the request and raises where it waits", function()
      local err
      local task = neap.spawn(function()
        local ok
        ok, err = pcall(http.get, faulty .. "/hang")
        assert(not ok)
      end)
      neap.sleep(0.02)
      task:cancel()
      pcall(task.await, task)
      assert.equal("cancelled", err.code)
    end)
  end)

  describe("reads Retry-After", function()
    it("in seconds", function()
      assert.equal(120, http.retry_after { ["retry-after"] = "120" })
    end)

    it("as a date, by the server's clock", function()
      local date = "Sun, 06 Nov 1994 08:49:37 GMT"
      for _, later in ipairs { "Sun, 06 Nov 1994 08:50:07 GMT",
        "Sunday, 06-Nov-94 08:50:07 GMT", "Sun Nov  6 08:50:07 1994" } do
        assert.equal(30, http.retry_after { ["retry-after"] = later, date = date })
      end
      assert.equal(0, http.retry_after { ["retry-after"] = date,
        date = "Sun, 06 Nov 1994 08:49:38 GMT" })
    end)

    it("as nil where there is none to be read", function()
      assert.is_nil(http.retry_after {})
      assert.is_nil(http.retry_after { ["retry-after"] = "soon" })
      assert.is_nil(http.retry_after { ["retry-after"] = "-1" })
    end)
  end)
end)
