-- Secrets do not show themselves, and go where keys go.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"

local KEY = "tide-key-4711"
local NAMED = "neap.Secret, whose text secret:reveal() gives"

describe("a secret", function()
  after_each(helper.after_each)

  local secret = neap.secret(KEY)

  it("is printed as stars, and reveals its text", function()
    assert.equal("***", tostring(secret))
    assert.equal("key ***", ("key %s"):format(secret))
    assert.equal(KEY, secret:reveal())
    assert.equal(secret, neap.secret(secret))
    assert.not_equal(secret, neap.secret(KEY))
    assert.is_nil(next(secret))
    assert.equal("", neap.secret(""):reveal())
  end)

  it("refuses what would need its text, at the line of the script", function()
    local place = "^[^:]*secret_spec.lua:%d+: a secret "
    local hint = "; secret:reveal%(%) gives its text$"
    for what, f in pairs {
      ["cannot be concatenated"] = function() return "Bearer " .. secret end,
      ["does not tell its length"] = function() return #secret end,
      ["cannot be compared"] = function() return secret < secret end,
      ["has no fields to be set"] = function() secret.text = "x" end,
    } do
      assert.matches(place .. what .. hint, helper.failure(f))
    end
    assert.matches("concatenated", helper.failure(function() return secret .. 1 end))
    assert.matches("compared", helper.failure(function() return secret <= "x" end))
    assert.matches("bad argument #1 to 'reveal' (neap.Secret expected, got nil; "
      .. "call it as secret:reveal(...))", helper.failure(secret.reveal), 1, true)
  end)

  it("is made of a string", function()
    assert.matches("bad argument #1 to 'secret' (string expected, got nil)",
      helper.failure(neap.secret, os.getenv "NEAP_NO_SUCH_VARIABLE"), 1, true)
    assert.matches("string expected, got 5", helper.failure(neap.secret, 5))
  end)

  it("is no JSON", function()
    local err = helper.refused("json", neap.json.encode, { login = { "ada", secret } })
    assert.equal("cannot encode $.login[2]: a " .. NAMED, err.message)
    assert.equal("$.login[2]", err.path)
    assert.matches("cannot encode %$: a neap.Secret", helper.refused("json", neap.json.encode,
      secret).message)
    assert.equal('[{},[]]', neap.json.encode { {}, neap.json.array() })
    local other = setmetatable({}, { __json = function() return "null" end, __name = "other" })
    assert.equal("{}", neap.json.encode(other)) -- of another library, which is not called
  end)

  it("is refused where a string is expected, with a word about reveal", function()
    local one, other <close> = neap.stream.pair()
    one:close()
    for _, call in ipairs {
      { neap.fs.write, "x", secret }, { neap.fs.read, secret }, { other.write, other, secret },
      { io.write, secret }, { neap.http.get, secret },
      { neap.http.post, "http://x", { body = secret } },
      { neap.http.get, "http://x", { headers = secret } },
      { neap.process.run, { "cat", stdin = secret } },
      { neap.llm.new, { url = secret } }, { neap.llm.new, { tools = secret } },
      { neap.llm.new, { stop = secret } }, { neap.llm.new, { extra = secret } },
      { neap.http.get, "http://x", { query = secret } },
      { neap.spawn, secret },
    } do
      assert.matches(NAMED, helper.failure(table.unpack(call)), 1, true)
    end
    assert.matches("cannot encode $.password: a " .. NAMED, helper.refused("json",
      neap.http.post, "http://x", { json = { password = secret } }).message, 1, true)
  end)

  it("is not shown by errors, events and lists of tasks", function()
    local seen = {}
    local node = neap.Node { name = "buy", max_retries = 2 }
    function node:exec() error { key = secret } end
    local err = helper.failure(node.run, node, { key = secret }, { params = { key = secret },
      on_event = function(event)
        seen[#seen + 1] = neap.dump()
        for _, value in pairs(event) do seen[#seen + 1] = tostring(value) end
      end })
    assert.equal("buy (exec, attempt 2): { key = *** }", tostring(err))
    assert.not_matches(KEY, table.concat(seen, "\n") .. err.traceback .. err.message, 1, true)
  end)
end)

describe("neap.http takes secrets", function()
  local function sent(opts)
    local fake <close> = neap.testing.http { ["http://x/*"] = "ok" }
    neap.http.get("http://x/", opts)
    return fake.requests[1].headers
  end

  it("as values of headers, which a fake records as secrets", function()
    local headers = sent { headers = { ["X-Key"] = neap.secret(KEY), Plain = "p" } }
    assert.equal("***", tostring(headers["x-key"]))
    assert.equal(KEY, headers["x-key"]:reveal())
    assert.equal("p", headers.plain)
  end)

  it("in auth, as a token or a password", function()
    local headers = sent { auth = { bearer = neap.secret(KEY) } }
    assert.equal("***", tostring(headers.authorization))
    assert.equal("Bearer " .. KEY, headers.authorization:reveal())
    -- The example of RFC 7617 section 2.
    headers = sent { auth = { user = "Aladdin", password = neap.secret "open sesame" } }
    assert.equal("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", headers.authorization:reveal())
    headers = sent { auth = { user = "Aladdin", password = "open sesame" } }
    assert.equal("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", headers.authorization)
    headers = sent { auth = { bearer = KEY }, headers = { plain = "p" } }
    assert.same({ authorization = "Bearer " .. KEY, plain = "p" }, headers)
  end)

  it("over a connection", function()
    local servers = require "spec.servers"
    local lines
    local address, server = servers.script(function(request, connection)
      lines = request.headers
      connection:write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
      return false
    end)
    local response = neap.http.get(address, { auth = { bearer = neap.secret(KEY) },
      headers = { ["X-Key"] = neap.secret "k" } })
    assert.equal("ok", response.body)
    assert.equal("Bearer " .. KEY, lines.authorization)
    assert.equal("k", lines["x-key"])
    server:cancel()
    helper.refused("cancelled", server.await, server)
  end)

  it("and says what is wrong without showing them", function()
    local secret = neap.secret(KEY .. "\n")
    for expected, opts in pairs {
      ["table with bearer, or with user and password"] = { auth = { bearer = KEY, user = KEY } },
      ["strings or secrets expected, got neap.Secret"] = { auth = secret },
      ["'auth' and the header 'Authorization' exclude each other"] = { auth = { bearer = secret },
        headers = { Authorization = secret } },
      ["Basic has no user with a colon"] = { auth = { user = "a:" .. KEY, password = secret } },
      ["'key' is a secret, and addresses are written to logs"] = { query = { key = secret } },
      ["the value of the header 'authorization' has a control character"] =
        { auth = { bearer = secret } },
      ["the value of the header 'k' has a control character"] = { headers = { k = secret } },
    } do
      local ok, err = pcall(neap.http.get, "http://127.0.0.1:9/", opts)
      assert.is_false(ok)
      assert.matches(expected, tostring(err), 1, true)
      assert.not_matches(KEY, tostring(err), 1, true)
    end
  end)
end)

describe("neap.process takes secrets", function()
  after_each(helper.after_each)

  it("in the environment, which a fake records as secrets", function()
    local env = { TIDE_KEY = neap.secret(KEY), PLAIN = "p" }
    assert.equal(KEY, neap.process.run { "sh", "-c", "printf %s $TIDE_KEY", env = env }.stdout)
    local fake <close> = neap.testing.process { tide = "ok" }
    neap.process.run { "tide", env = env }
    assert.equal("***", tostring(fake.calls[1].env.TIDE_KEY))
    assert.equal(KEY, fake.calls[1].env.TIDE_KEY:reveal())
    assert.equal("p", fake.calls[1].env.PLAIN)
  end)

  it("but not in an argument", function()
    assert.matches("argument 1 is a secret, and arguments can be seen by everyone on the machine",
      helper.failure(neap.process.run, { "tide", neap.secret(KEY) }), 1, true)
  end)
end)

describe("neap.llm takes a secret", function()
  local function asked(opts)
    local fake <close> = neap.testing.http { ["http://m/*"] = { status = 401,
      json = { error = { message = "Incorrect key: " .. KEY .. ", other-4712" } } } }
    local client = neap.llm.new(opts)
    local err = helper.refused("llm", client.chat, client, "When?")
    return fake.requests[1].headers, err
  end

  it("as key, or from the function for the key", function()
    for _, key in ipairs { neap.secret(KEY), function() return neap.secret(KEY) end } do
      local headers, err = asked { url = "http://m", model = "m", key = key,
        headers = { other = neap.secret "other-4712" } }
      assert.equal("***", tostring(headers.authorization))
      assert.equal("Bearer " .. KEY, headers.authorization:reveal())
      assert.equal("other-4712", headers.other:reveal())
      assert.equal("Incorrect key: [redacted], [redacted] (status 401)", err.message)
      headers = asked { url = "http://m", model = "m", key = key, provider = "anthropic" }
      assert.equal(KEY, headers["x-api-key"]:reveal())
    end
  end)

  it("and keeps it out of cassettes", function()
    local path = helper.tmpdir() .. "/tide.jsonl"
    local client = neap.llm.record(path, neap.llm.new { url = "http://m", model = "m",
      key = neap.secret(KEY), headers = { ["x-token"] = neap.secret "other-4712" } })
    do
      local fake <close> = neap.testing.http { ["http://m/*"] = { -- luacheck: ignore 211
        json = { choices = { { message = { content = KEY .. " other-4712" } } } } } }
      assert.equal(KEY .. " other-4712", client:chat("Is " .. KEY .. " my key?"))
    end
    assert.not_matches("471", helper.read(path))
  end)
end)
