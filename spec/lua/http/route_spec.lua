-- Proxies, and certificates that clients show.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local proxy = require "spec.proxy"
local servers = require "spec.servers"
local http = require "neap.http"
local failure = helper.failure

describe("a request", function()
  local nginx, folder, ca

  setup(function()
    folder = helper.tmpdir()
    servers.certificates(folder)
    assert(os.execute(("cd %s && openssl ec -aes128 -passout pass:hush -in key.pem"
      .. " -out locked.pem 2>/dev/null && cat cert.pem key.pem > both.pem")
      :format(helper.quote(folder))))
    nginx = servers.nginx(folder, {
      secure = true,
      server = [[
        ssl_client_certificate ca.pem; ssl_verify_client optional;
        location = /who { return 200 "$ssl_client_s_dn"; }
        location = /member { if ($ssl_client_verify != SUCCESS) { return 403; } return 200 in; }
        location = /away { return 302 https://localhost:SECURE/who; }
        location = /hello { return 200 hello; }
      ]],
    })
    ca = folder .. "/ca.pem"
  end)

  teardown(function() nginx.pipe:close() end)

  describe("with a proxy", function()
    it("goes through it by its address", function()
      proxy.with("http", function(at, log)
        local url = nginx.plain .. "/hello"
        assert.equal("hello", http.get(url, { proxy = "http://" .. at }).body)
        assert.same({ "GET " .. url }, log)
      end)
    end)

    it("has a tunnel through it for TLS", function()
      proxy.with("http", function(at, log)
        local opts = { proxy = "http://" .. at, ca_file = ca }
        assert.equal("hello", http.get(nginx.secure .. "/hello", opts).body)
        assert.same({ "CONNECT " .. nginx.secure:gsub("^https://", "") }, log)
      end)
    end)

    it("leaves names to SOCKS, if told to", function()
      proxy.with("socks", function(at, log)
        local url = nginx.plain:gsub("127%.0%.0%.1", "localhost") .. "/hello"
        assert.equal("hello", http.get(url, { proxy = "socks5h://" .. at }).body)
        assert.equal("hello",
          http.get(nginx.plain .. "/hello", { proxy = "socks5://" .. at }).body)
        local port = nginx.plain:match("%d+$")
        assert.same({ "SOCKS localhost:" .. port, "SOCKS 127.0.0.1:" .. port }, log)
      end)
    end)

    it("shows it who we are, and nobody else", function()
      proxy.with("http", function(at, log)
        local opts = { proxy = neap.secret("http://moon:hush@" .. at), ca_file = ca }
        assert.equal("hello", http.get(nginx.secure .. "/hello", opts).body)
        opts.proxy = "http://moon:wrong@" .. at
        local err = failure(http.get, nginx.secure .. "/hello", opts)
        assert.equal("http", err.code)
        assert.is_false(err.retryable)
        assert.equal(("http.get %s/hello: the proxy refused: status 407"):format(nginx.secure),
          err.message)
        assert.equal(407, http.get(nginx.plain .. "/hello", opts).status)
        assert.equal(3, #log)
      end, "Basic bW9vbjpodXNo")
    end)

    it("fails without it", function()
      local at = "http://moon:hush@127.0.0.1:" .. servers.free_port()
      local err = failure(http.get, nginx.plain .. "/hello", { proxy = at })
      assert.equal("http", err.code)
      assert.is_true(err.retryable)
      assert.falsy(tostring(err):find("hush", 1, true))
    end)

    it("takes it from the environment unless there is to be none", function()
      local script = helper.write(helper.tmpdir() .. "/get.lua", [[
        local http = require "neap.http"
        print(pcall(http.get, arg[1]))
        print(http.get(arg[1], { proxy = false }).body)]])
      local result = helper.run({ helper.neap, script, nginx.plain .. "/hello" },
        { env = { http_proxy = "http://127.0.0.1:" .. servers.free_port(), no_proxy = "" } })
      assert.matches("^false.*connection refused\nhello\n$", result.stdout)
    end)

    it("is refused with what is no proxy, without quoting it", function()
      for _, bad in ipairs { "ftp://a:hush@b", "127.0.0.1:80", "http://a:hush@ b" } do
        local err = failure(http.get, nginx.plain, { proxy = bad })
        assert.equal("http.get: the proxy is no URL of http, https, socks5 or socks5h",
          err.message)
        assert.is_false(err.retryable)
      end
      assert.matches("bad option 'proxy' %(URL, secret or false expected, got boolean%)",
        failure(http.get, nginx.plain, { proxy = true }))
    end)
  end)

  describe("with a certificate", function()
    local function get(path, opts)
      opts.ca_file = ca
      return http.get(nginx.secure .. path, opts)
    end

    it("shows it to a server that asks", function()
      assert.equal(403, get("/member", {}).status)
      local cert, key = folder .. "/cert.pem", folder .. "/key.pem"
      assert.equal("in", get("/member", { cert_file = cert, key_file = key }).body)
      assert.equal("CN=gauge", get("/who", { cert_file = folder .. "/both.pem" }).body)
      assert.equal("in", get("/member", { cert_file = cert, key_file = folder .. "/locked.pem",
        key_password = neap.secret "hush" }).body)
      assert.equal("", get("/who", {}).body)
    end)

    it("says which option is wrong", function()
      -- By a name of its own: connections are used again by their certificate.
      local cert, key = folder .. "/cert2.pem", folder .. "/key.pem"
      helper.write(cert, helper.read(folder .. "/cert.pem"))
      local function fails(option, opts)
        local err = failure(get, "/who", opts)
        assert.equal("http", err.code)
        assert.is_false(err.retryable)
        assert.equal(("http.get %s/who: %s: "):format(nginx.secure, option),
          err.message:match("^.-/who: .-: "))
        assert.falsy(err.message:find("hush", 1, true))
      end
      fails("cert_file", { cert_file = folder .. "/none.pem", key_file = key })
      fails("cert_file", { cert_file = nginx.folder .. "/nginx.conf", key_file = key })
      fails("key_file", { cert_file = cert, key_file = folder .. "/none.pem" })
      fails("key_file", { cert_file = cert, key_file = folder .. "/ca.key" })
      fails("key_file", { cert_file = cert, key_file = folder .. "/locked.pem",
        key_password = "hush!" })
      assert.equal("http.get: a key_file is of no use without a cert_file",
        failure(get, "/who", { key_file = key }).message)
      local err = failure(http.get, nginx.secure, { ca_file = folder .. "/none.pem" })
      assert.matches(": ca_file: the CA certificates cannot be read$", err.message)
    end)
  end)
end)
