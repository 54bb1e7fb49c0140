-- Who may send requests to a server.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local serve = require "neap.serve"
local serving = require "spec.serving"
local with = serving.with

-- Sends a request with these fields; the answer, and its text.
local function ask(server, fields, method)
  local text = serving.say(server, ("%s / HTTP/1.1\r\nConnection: close\r\n%s\r\n"):format(
    method or "GET", fields))
  return serving.answer(text).status, text
end

local ROUTES = { ["GET /"] = function() return "x" end, ["* /any"] = function() return "any" end }

describe("a server", function()
  after_each(helper.after_each)

  it("answers to the names of this machine alone: DNS rebinding", function()
    with(ROUTES, nil, function(server)
      for _ = 1, 2 do
        for _, host in ipairs { "localhost", "LOCALHOST:80", "127.0.0.1:1234", "[::1]:5" } do
          assert.equal(200, (ask(server, "Host: " .. host .. "\r\n")), host)
        end
        for _, host in ipairs { "evil.example", "localhost.evil.example", "evil.example:80", "",
          "127.0.0.1.evil.example", "localhost:80:80" } do
          assert.equal(421, (ask(server, "Host: " .. host .. "\r\n")), host)
        end
      end
      assert.equal("421", serving.statuses(serving.say(server,
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")))
    end)
    with(ROUTES, { hosts = { "tide.example" } }, function(server)
      assert.equal(200, (ask(server, "Host: Tide.example:80\r\n")))
      assert.equal(421, (ask(server, "Host: localhost\r\n")))
    end)
  end)

  it("refuses pages of other origins, but those that it knows", function()
    with(ROUTES, { origins = { "https://Tide.example" } }, function(server)
      local here = "Host: " .. server.address .. "\r\n"
      assert.equal(200, (ask(server, here .. "Origin: http://" .. server.address .. "\r\n")))
      for _, origin in ipairs { "null", "http://evil.example", "https://tide.example.evil.example",
        "http://" .. server.address .. ".evil.example", "" } do
        assert.equal(403, (ask(server, here .. "Origin: " .. origin .. "\r\n")), origin)
      end
      local status, text = ask(server, here .. "Origin: https://tide.example\r\n")
      assert.equal(200, status)
      assert.matches("\r\nAccess%-Control%-Allow%-Origin: https://tide.example\r\n", text)
      assert.matches("\r\nVary: Origin\r\n", text)
    end)
  end)

  it("wants its token, and answers a preflight without it by itself", function()
    for _, token in ipairs { "ebbflow", neap.secret "ebbflow" } do
      with(ROUTES, { token = token, origins = { "https://tide.example" } }, function(server)
        local host = "Host: localhost\r\n"
        assert.equal(200, (ask(server, host .. "Authorization: bearer ebbflow\r\n")))
        for _, value in ipairs { "", "ebbflow", "Bearer ebbflo", "Bearer ebbflow2",
          "Bearer Ebbflow", "Basic ebbflow", "Bearer  " } do
          local status, text = ask(server, host .. "Authorization: " .. value .. "\r\n")
          assert.equal(401, status, value)
          assert.matches("\r\nWWW%-Authenticate: Bearer\r\n", text)
        end
        local ours = host .. "Origin: https://tide.example\r\n"
          .. "Access-Control-Request-Method: POST\r\n"
        local status, text = ask(server, ours, "OPTIONS")
        assert.equal(204, status)
        assert.matches("\r\nAccess%-Control%-Allow%-Methods: GET, HEAD, OPTIONS\r\n", text)
        local any = serving.say(server, "OPTIONS /any HTTP/1.1\r\nConnection: close\r\n" .. ours
          .. "\r\n")
        assert.equal("204", serving.statuses(any)) -- not the handler's
        ours = host .. "Access-Control-Request-Method: GET\r\n"
        assert.equal(401, (ask(server, ours, "OPTIONS")))
      end)
    end
  end)

  it("is not open to others without a token, unless that is said", function()
    assert.matches("give it a token, or say open = true",
      helper.failure(serve.listen, "0.0.0.0:0", { routes = ROUTES }))
    serve.listen("0.0.0.0:0", { routes = ROUTES, open = true }):close()
    serve.listen("0.0.0.0:0", { routes = ROUTES, token = "x" }):close()
  end)
end)

describe("a route", function()
  after_each(helper.after_each)

  it("is the most literal one", function()
    local routes = {}
    for _, path in ipairs { "/", "/a", "/:x", "/a/:y", "/:x/b", "/a/*r", "/:x/*r", "/a/b/" } do
      routes["GET " .. path] = function() return path end
    end
    with(routes, nil, function(_, url)
      for path, route in pairs { ["/"] = "/", ["/a"] = "/a", ["/q"] = "/:x", ["/a/b"] = "/a/:y",
        ["/q/b"] = "/:x/b", ["/a/b/c"] = "/a/*r", ["/q/c"] = "/:x/*r", ["/a/b/"] = "/a/b/",
        ["/%61"] = "/a" } do
        assert.equal(route, neap.http.get(url .. path).body, path)
      end
      assert.equal(404, neap.http.get(url .. "/a/b%2Fc/d", { check = false }).status)
    end)
  end)

  it("is refused where it is none", function()
    local function refuses(what, ...)
      assert.matches(what, helper.misused(serve.route, ...))
    end
    refuses("method in capitals", "get", "/", print)
    refuses('path that begins with "/"', "GET", "tides", print)
    refuses("bad argument #3", "GET", "/", 1)
    refuses("is no name", "GET", "/:", print)
    refuses("has the name 'a' twice", "GET", "/:a/:a", print)
    refuses("something follows the rest", "GET", "/*a/b", print)
    serve.route("GET", "/twice", print)
    refuses("has a route already", "GET", "/twice", print)
    assert.matches("is no method and path", helper.failure(serve.listen, "127.0.0.1:0",
      { routes = { ["/"] = print } }))
  end)
end)
