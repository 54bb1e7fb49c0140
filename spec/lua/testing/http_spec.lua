-- Requests that a test answers.
-- SPDX-License-Identifier: MIT
local failure = require("spec.helper").failure
local neap = require "neap"

local http, testing = neap.http, neap.testing

-- Calls f on the virtual clock with a fake of these routes.
local function with(routes, f)
  testing.run(function()
    local fake <close> = testing.http(routes)
    f(fake)
  end)
end

describe("a fake of HTTP", function()
  it("answers as the routes say", function()
    with({
      ["GET http://sea/tide"] = { json = { height = 3 } },
      ["http://sea/*"] = "anything",
      ["POST http://sea/tide"] = { status = 201, headers = { ["X-Id"] = 7 }, body = "made" },
      ["GET http://sea/tide?at=noon"] = "noon",
    }, function(fake)
      local response = http.get("http://sea/tide?at=night#now")
      assert.same({ height = 3 }, response:json())
      assert.equal("application/json", response.headers["content-type"])
      assert.is_true(response.ok)
      response = http.post("http://sea/tide", { json = { 1 }, headers = { Depth = 2 } })
      assert.same({ 201, "7", "made", "http://sea/tide" },
        { response.status, response.headers["x-id"], response.body, response.url })
      assert.equal("noon", http.get("http://sea/tide", { query = { at = "noon" } }).body)
      assert.equal("anything", http.get("http://sea/").body)
      assert.equal("anything", http.request { url = "http://sea/tide", method = "PUT" }.body)
      assert.equal(5, #fake.requests)
      assert.same({ method = "POST", url = "http://sea/tide", body = "[1]",
        headers = { depth = "2", ["content-type"] = "application/json" } }, fake.requests[2])
    end)
  end)

  it("answers one request after the other, or as a function says", function()
    with({
      ["http://sea/list"] = { "first", { status = 204 }, "last" },
      ["http://sea/echo"] = function(request)
        neap.sleep(5)
        return { body = request.method .. " " .. (request.body or "") }
      end,
    }, function()
      local bodies = {}
      for i = 1, 4 do
        local response = http.get("http://sea/list")
        bodies[i] = response.status .. response.body
      end
      assert.same({ "200first", "204", "200last", "200last" }, bodies)
      assert.equal("POST ebb", http.post("http://sea/echo", { body = "ebb" }).body)
      assert.equal(5, neap.now())
    end)
  end)

  it("fails as servers do", function()
    with({
      ["http://sea/down"] = { error = "connection refused" },
      ["http://sea/slow"] = { delay = 10, body = "late" },
      ["http://sea/cut"] = { chunks = { "ebb" }, error = "the connection broke" },
      ["http://sea/gone"] = { status = 404 },
      ["http://sea/busy"] = { { status = 503, headers = { ["Retry-After"] = "30" } }, "fine" },
    }, function(fake)
      local err = failure(http.get, "http://sea/down?key=secret")
      assert.same({ "http", true, "http://sea/down" }, { err.code, err.retryable, err.url })
      assert.equal("http.get http://sea/down: connection refused", err.message)
      err = failure(http.get, "http://sea/slow", { timeout = 5 })
      assert.equal("timeout", err.code)
      assert.equal(5, neap.now())
      assert.equal("late", http.get("http://sea/slow", { timeout = 11 }).body)
      assert.equal("http", failure(http.get, "http://sea/cut").code)
      assert.equal("fine", http.get("http://sea/busy", { max_retries = 2 }).body)
      assert.equal(45, neap.now())
      assert.equal(404, failure(http.get, "http://sea/gone", { check = true }).status)
      assert.equal(7, #fake.requests)
    end)
  end)

  it("says which request has no route", function()
    with({ ["POST http://sea/"] = "" }, function()
      local err = failure(http.get, "http://sea/")
      assert.equal("http.get http://sea/: the fake has no route for GET http://sea/", err.message)
      assert.is_false(err.retryable)
    end)
  end)

  it("has bodies as real ones are", function()
    local answers = { { body = "high", headers = { ["Set-Cookie"] = "a=1" } },
      { status = 204, body = "high" }, { body = "high" }, { chunks = { "", "high", "", " tide" } } }
    with({ ["http://sea/tide"] = answers }, function()
      local response = http.get("http://sea/tide")
      assert.same({ "a=1" }, response.headers["set-cookie"])
      assert.equal("", http.get("http://sea/tide").body)
      assert.equal("", http.request { method = "HEAD", url = "http://sea/tide" }.body)
      local stream <close> = http.get("http://sea/tide", { stream = true, max_body = 8 })
      assert.equal("high", stream:read_some())
      for _ = 1, 2 do
        local err = failure(stream.read_some, stream)
        assert.equal("http.get http://sea/tide: the body is larger than 8 bytes", err.message)
        assert.is_false(err.retryable)
      end
      assert.equal("http.get http://sea/tide: the body is larger than 8 bytes",
        failure(http.get, "http://sea/tide", { max_body = 8 }).message)
    end)
  end)

  it("wakes whoever reads when the response is closed, and is read by one", function()
    with({ ["http://sea/tide"] = { chunks = { "ebb", "flow" }, chunk_delay = 5 } }, function()
      local response = http.get("http://sea/tide", { stream = true })
      local task = neap.spawn(function() return failure(response.read_some, response) end)
      neap.sleep(1)
      assert.equal("busy", failure(response.read_some, response).code)
      response:close()
      assert.equal("closed", task:await().code)
      assert.equal(1, neap.now())
      assert.equal("closed", failure(response.read_some, response).code)
    end)
  end)

  it("streams, also events", function()
    with({
      ["http://sea/lines"] = { chunks = { "one\ntw", "o\n" }, chunk_delay = 2 },
      ["http://sea/events"] = {
        { headers = { ["Content-Type"] = "text/event-stream" }, error = "the connection broke",
          chunks = { "id: 1\ndata: ebb\n\n" } },
        { headers = { ["Content-Type"] = "text/event-stream" }, body = "data: flow\n\n" },
        { status = 204 },
      },
    }, function(fake)
      local response <close> = http.get("http://sea/lines", { stream = true })
      assert.equal("one", response:read())
      assert.equal(2, neap.now())
      assert.equal("two", response:read())
      assert.is_nil(response:read())
      local list = {}
      local stream <close> = http.get("http://sea/events", { stream = true })
      for event in stream:events { reconnect = true, wait = 3 } do
        list[#list + 1] = event.data
      end
      assert.same({ "ebb", "flow" }, list)
      assert.equal("1", fake.requests[3].headers["last-event-id"])
      response:close()
      assert.equal("closed", failure(response.read, response).code)
    end)
  end)

  it("takes bodies that are made while they are sent", function()
    with({ ["http://sea/"] = "taken" }, function(fake)
      local i = 0
      local response = http.post("http://sea/", { body = function()
        i = i + 1
        neap.sleep(1)
        return ({ "ebb", "flow" })[i]
      end })
      assert.equal("taken", response.body)
      assert.equal("ebbflow", fake.requests[1].body)
      assert.equal("the body has fewer bytes than the 9 of body_size",
        failure(http.post, "http://sea/", { body = function() end, body_size = 9 }).message)
    end)
  end)

  it("leaves no trace when it is closed", function()
    local before = require "neap.core".http.request
    do
      local fake <close> = testing.http {}
      assert.not_equal(before, require "neap.core".http.request)
      fake:close()
    end
    assert.equal(before, require "neap.core".http.request)
  end)

  it("refuses routes that make no sense", function()
    local function misused(message, routes)
      assert.equal(message, (failure(testing.http, routes):gsub("^[^:]+:%d+: ", "")))
    end
    misused("bad argument #1 to 'http' (table of routes expected, got nil)", nil)
    misused('testing.http: a route is "GET http://host/path", got /tide', { ["/tide"] = "" })
    misused("testing.http: http://sea/: an answer is a table or a string, got a number",
      { ["http://sea/"] = 7 })
    misused("testing.http: http://sea/: unknown option 'stauts'; did you mean 'status'?",
      { ["http://sea/"] = { stauts = 200 } })
    misused("testing.http: http://sea/: bad option 'status' (whole number expected, got string)",
      { ["http://sea/"] = { status = "200" } })
    local fake <close> = testing.http {}
    misused("testing.http: there is a fake already; close it first", {})
    assert.is_table(fake.requests)
  end)
end)
