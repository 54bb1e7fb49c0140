-- HTTP requests that are sent again.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local servers = require "spec.servers"
local neap = require "neap"
local http = require "neap.http"
local net = require "neap.net"
local failure = helper.failure

local function answer(status, head)
  return ("HTTP/1.1 %d X\r\ncontent-length: 0\r\nconnection: close\r\n%s\r\n")
    :format(status, head or "")
end

-- Calls `f` with the address of a server that gives these answers, one for each
-- request and the last for all others, "" for none at all; and with the list of
-- the times at which requests came.
local function with_answers(answers, f)
  local listener <close> = net.listen("127.0.0.1:0")
  local times = {}
  local server = neap.spawn(listener.serve, listener, function(connection)
    repeat local line = connection:read() until line == "\r" or line == "" or not line
    times[#times + 1] = neap.now()
    connection:write(answers[math.min(#times, #answers)])
  end)
  f("http://" .. listener.address, times)
  listener:close()
  server:await()
end

describe("a request with max_retries", function()
  it("is sent again after a status that passes", function()
    for _, status in ipairs { 408, 425, 429, 502, 503, 504 } do
      with_answers({ answer(status), answer(200) }, function(url, times)
        assert.equal(200, http.get(url, { max_retries = 3 }).status)
        assert.equal(2, #times)
      end)
    end
  end)

  it("goes by the options as they were when it was sent", function()
    with_answers({ answer(503), answer(200) }, function(url, times)
      local opts = { max_retries = 2, wait = 0.05, check = true }
      local task = neap.spawn(http.get, url, opts)
      neap.sleep(0) -- now it waits for the first answer
      opts.wait = 1000
      assert.equal(200, neap.timeout(10, task.await, task).status)
      assert.equal(2, #times)
    end)
  end)

  it("is not sent again after others", function()
    for _, status in ipairs { 200, 304, 400, 404, 500, 501 } do
      with_answers({ answer(status) }, function(url, times)
        assert.equal(status, http.get(url, { max_retries = 3 }).status)
        assert.equal(1, #times)
      end)
    end
  end)

  it("ends with the last answer", function()
    with_answers({ answer(503) }, function(url, times)
      assert.equal(503, http.get(url, { max_retries = 3 }).status)
      assert.equal(3, #times)
      local err = failure(http.get, url, { max_retries = 2, check = true })
      assert.equal(503, err.status)
      assert.equal(5, #times)
    end)
  end)

  it("is sent again after no answer, and ends with the last error", function()
    with_answers({ "", "", answer(200) }, function(url, times)
      assert.equal(200, http.get(url, { max_retries = 3 }).status)
      assert.equal(3, #times)
    end)
    local at = "http://127.0.0.1:" .. servers.free_port()
    local start = neap.now()
    local err = failure(http.get, at, { max_retries = 3, wait = 0.02 })
    assert.equal(("http.get %s/: connection refused"):format(at), err.message)
    assert.is_true(neap.now() - start >= 0.04)
  end)

  it("is not sent again when that would change nothing", function()
    local request = answer(200):gsub("^HTTP", "SMTP")
    with_answers({ request }, function(url, times)
      assert.is_false(failure(http.get, url, { max_retries = 3 }).retryable)
      assert.equal(1, #times)
    end)
  end)

  it("tells those who watch the run, also from a task of the node", function()
    with_answers({ answer(503, "retry-after: 0\r\n"), "", answer(200) }, function(url)
      local events = {}
      local node = neap.Node {
        name = "ask",
        exec = function()
          neap.gather { function() http.get(url, { max_retries = 3, wait = 0.001 }) end }
        end,
      }
      node:run({}, { on_event = function(event)
        if event.kind == "retry" then events[#events + 1] = event end
      end })
      assert.equal(2, #events)
      for i, event in ipairs(events) do
        assert.equal("ask", event.node)
        assert.equal("http.get", event.what)
        assert.equal(i, event.attempt)
        assert.equal(0.001, event.delay)
        assert.equal("http", event.error.code)
      end
      assert.equal(503, events[1].error.status)
    end)
  end)

  it("has its timeout for each attempt", function()
    local hangs <close> = net.listen("127.0.0.1:0")
    local start = neap.now()
    local err = failure(http.get, "http://" .. hangs.address, { max_retries = 2, timeout = 0.05 })
    assert.equal("timeout", err.code)
    assert.is_true(neap.now() - start >= 0.1)
  end)

  it("waits between attempts as a node does", function()
    with_answers({ answer(503) }, function(url, times)
      http.get(url, { max_retries = 5, wait = 0.02, backoff = 2, max_wait = 0.05 })
      for i, wait in ipairs { 0.02, 0.04, 0.05, 0.05 } do
        assert.is_true(times[i + 1] - times[i] >= wait)
      end
      assert.is_true(times[5] - times[1] < 5)
    end)
  end)

  it("waits as long as it is asked to, even past max_wait", function()
    local date = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    for _, asked in ipairs {
      "retry-after: 1\r\n",
      "retry-after: Sun, 06 Nov 1994 08:49:38 GMT\r\n" .. date,
    } do
      with_answers({ answer(429, asked), answer(200) }, function(url, times)
        local opts = { max_retries = 2, wait = 0.001, max_wait = 0.002 }
        assert.equal(200, http.get(url, opts).status)
        assert.is_true(times[2] - times[1] >= 1)
      end)
    end
  end)

  it("is not sent again when it is asked to wait for too long", function()
    local asked = answer(503, "retry-after: 121\r\n")
    with_answers({ asked, answer(200) }, function(url, times)
      local response = http.get(url, { max_retries = 3 })
      assert.equal(503, response.status)
      assert.equal("121", response.headers["retry-after"])
      assert.equal(1, #times)
    end)
    with_answers({ asked }, function(url, times)
      local err = failure(http.get, url, { max_retries = 3, check = true })
      assert.equal(503, err.status)
      assert.equal(121, err.retry_after)
      assert.equal(1, #times)
    end)
    with_answers({ answer(429, "retry-after: 1\r\n"), answer(200) }, function(url, times)
      assert.equal(429, http.get(url, { max_retries = 2, max_retry_after = 0.5 }).status)
      assert.equal(1, #times)
      assert.equal(200, http.get(url, { max_retries = 2, max_retry_after = 1 }).status)
    end)
  end)

  it("gets past the limit of an nginx", function()
    local folder = helper.tmpdir()
    helper.write(folder .. "/tides.txt", "ebb\n")
    local nginx = servers.nginx(folder, {
      http = "limit_req_zone $server_addr zone=a:32k rate=2r/s;",
      server = [[location = /tides { alias tides.txt; limit_req zone=a; limit_req_status 429;
        add_header Retry-After 1 always; }]],
    })
    local url = nginx.plain .. "/tides"
    assert.equal(200, http.get(url).status)
    local start = neap.now()
    assert.equal("ebb\n", http.get(url, { max_retries = 2 }).body)
    assert.is_true(neap.now() - start >= 1)
    nginx.pipe:close()
  end)

  it("is repeated by its method, or by leave", function()
    for _, method in ipairs { "GET", "head", "PUT", "DELETE", "OPTIONS" } do
      with_answers({ answer(503), answer(200) }, function(url, times)
        http.request { url = url, method = method, max_retries = 2 }
        assert.equal(2, #times)
      end)
    end
    with_answers({ answer(503), answer(200) }, function(url, times)
      http.post(url, { json = { 1 }, max_retries = 2, idempotent = true })
      assert.equal(2, #times)
    end)
  end)

  it("is refused where sending it twice may do harm", function()
    local err = failure(http.post, "http://127.0.0.1/", { body = "x", max_retries = 2 })
    assert.equal("http.post: the option 'max_retries' repeats a POST only with idempotent = true",
      (err:gsub("^[^:]+:%d+: ", "")))
    err = failure(http.get, "http://127.0.0.1/", { max_retries = 2, idempotent = false })
    assert.matches("repeats a GET only", err)
  end)

  it("is refused with options that a node refuses", function()
    local wrong = { max_retries = 0, wait = -1, backoff = 0, max_wait = 0, jitter = 2,
      max_retry_after = 0 }
    for name, value in pairs(wrong) do
      local err = failure(http.get, "http://127.0.0.1/", { [name] = value })
      assert.matches(("bad option '%s' %%("):format(name), err)
    end
  end)

  it("can be cancelled between attempts", function()
    with_answers({ answer(503) }, function(url, times)
      local err = failure(neap.timeout, 0.1, http.get, url, { max_retries = 9, wait = 60 })
      assert.equal("timeout", err.code)
      assert.equal(1, #times)
    end)
  end)
end)
