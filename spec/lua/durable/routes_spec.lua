-- Durable runs over HTTP.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local Node, Flow, Wait = neap.Node, neap.Flow, neap.Wait

-- An app whose flow asks for an approval.
local function new_app(opts)
  local draft = Node { name = "draft", post = function(_, shared)
    shared.text = "about " .. tostring(shared.topic)
  end }
  local ask = Wait { name = "ask", signal = "approval",
    post = function(_, shared, _, answer) shared.verdict = answer.verdict end }
  local _ = draft >> ask
  local options = { store = neap.store.memory(),
    flows = { article = Flow { name = "article", start = draft, history = "values" },
      broken = Flow { name = "broken", start = Node { name = "b", exec = function()
        error("no luck", 0)
      end } } } }
  for name, value in pairs(opts or {}) do options[name] = value end
  return neap.durable(options)
end

-- Calls f with a function that sends requests to a server of an app at work.
local function serving(f)
  local app = new_app()
  local server <close> = neap.serve.listen("127.0.0.1:0", { routes = app:routes() })
  local work, task = neap.spawn(app.work, app), neap.spawn(server.run, server)
  f(function(method, path, body, headers)
    local response = neap.http.request({ url = server.url .. path, method = method, json = body,
      headers = headers })
    return response.status, response.body ~= "" and response.headers["content-type"]
      == "application/json" and neap.json.decode(response.body) or response.body, response
  end, server, app)
  app:stop()
  work:await()
  server:close()
  task:await()
end

-- Waits until a run has a status.
local function wait_for(send, id, status)
  for _ = 1, 200 do
    local _, run = send("GET", "/runs/" .. id)
    if run.status == status then return run end
    neap.sleep(0.02)
  end
  error(("the run %s has never been %s"):format(id, status))
end

describe("an app over HTTP", function()
  it("starts, shows, signals and lists runs", function()
    serving(function(send)
      local status, run, response = send("POST", "/runs",
        { flow = "article", id = "a 1", shared = { topic = "tides" } })
      assert.equal(201, status)
      assert.equal("a 1", run.id)
      assert.equal("/runs/a 1", response.headers.location)
      run = wait_for(send, "a%201", "waiting")
      assert.equal("approval", run.waits)
      status = send("POST", "/runs/a%201/signals/approval", { verdict = "yes" })
      assert.equal(202, status)
      wait_for(send, "a%201", "done")
      run = select(2, send("GET", "/runs/a%201?shared=1"))
      assert.same({ topic = "tides", text = "about tides", verdict = "yes" }, run.shared)
      local _, history = send("GET", "/runs/a%201/history")
      assert.same({ "article > draft", "article > ask" },
        { history.steps[1].node, history.steps[2].node })
      local _, past = send("GET", "/runs/a%201/at/" .. history.steps[1].seq)
      assert.is_nil(past.shared.verdict)
      local _, page = send("GET", "/runs?flow=article&status=done&limit=5")
      assert.equal(1, #page.runs)
      assert.same({ flows = { "article", "broken" } }, select(2, send("GET", "/flows")))
      local _, text = send("GET", "/metrics")
      assert.matches('neap_runs{status="done"} 1', text, 1, true)
    end)
  end)

  it("starts once with an Idempotency-Key, and refuses another flow under it", function()
    serving(function(send)
      local key = { ["Idempotency-Key"] = "k" }
      assert.equal(201, (send("POST", "/runs", { flow = "article" }, key)))
      assert.equal(201, (send("POST", "/runs", { flow = "article" }, key)))
      local _, page = send("GET", "/runs")
      assert.equal(1, #page.runs)
      assert.equal(409, (send("POST", "/runs", { flow = "broken" }, key)))
    end)
  end)

  it("says what is wrong with a request", function()
    serving(function(send)
      local status, answer = send("POST", "/runs", { flow = "artikle" })
      assert.equal(400, status)
      assert.equal("start: the app has no flow 'artikle'; did you mean 'article'?",
        answer.error.message)
      assert.equal(400, (send("POST", "/runs", { flow = "article", priority = 12 })))
      assert.equal(404, (send("GET", "/runs/none")))
      assert.equal(404, (send("POST", "/runs/none/signals/x", 1)))
      send("POST", "/runs", { flow = "broken", id = "b" })
      local run = wait_for(send, "b", "failed")
      assert.equal("no luck", run.error.message)
      assert.equal(409, (send("POST", "/runs/b/signals/x", 1)))
    end)
  end)

  it("cancels and forks", function()
    serving(function(send)
      send("POST", "/runs", { flow = "article", id = "a" })
      wait_for(send, "a", "waiting")
      local status, fork = send("POST", "/runs/a/fork", { id = "f", shared = { extra = 1 } })
      assert.equal(201, status)
      assert.equal("a", fork.parent)
      assert.equal(202, (send("POST", "/runs/a/cancel", { reason = "enough" })))
      wait_for(send, "a", "cancelled")
      wait_for(send, "f", "waiting")
    end)
  end)

  it("tells of steps as they come, and goes on behind the last one that was seen", function()
    serving(function(send, server)
      send("POST", "/runs", { flow = "article", id = "a" })
      local function listen(last)
        local seen = {}
        local response = neap.http.get(server.url .. "/runs/a/events",
          { stream = true, headers = { ["Last-Event-ID"] = last } })
        for event in response:events { reconnect = false } do
          seen[#seen + 1] = event
          if event.event == "step" and #seen == 1 then
            send("POST", "/runs/a/signals/approval", { verdict = "no" })
          elseif event.event == "ended" then
            break
          end
        end
        return seen
      end
      local seen = listen()
      assert.same({ "step", "step", "ended" }, { seen[1].event, seen[2].event, seen[3].event })
      assert.equal("done", neap.json.decode(seen[3].data).status)
      local again = listen(seen[1].id)
      assert.same({ "step", "ended" }, { again[1].event, again[2].event })
      assert.equal(seen[2].id, again[1].id)
    end)
  end)
end)
