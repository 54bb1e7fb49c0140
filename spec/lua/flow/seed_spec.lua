-- The page that neap started from: each of its examples, in Lua.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local Node, Flow, BatchFlow = neap.Node, neap.Flow, neap.BatchFlow
local AsyncNode, AsyncFlow, BatchAsyncFlow = neap.AsyncNode, neap.AsyncFlow, neap.BatchAsyncFlow

-- The "async LLM client" of the page, which takes a moment.
local calls
local function call_llm_async(prompt)
  calls = calls + 1
  neap.sleep(0.001)
  return prompt:upper()
end

-- Section 1.
local AsyncSummarizeFile = AsyncNode:extend { name = "AsyncSummarizeFile" }

function AsyncSummarizeFile:prep(shared)
  return shared.data[self.params.filename] or ""
end

function AsyncSummarizeFile.exec(_, _, prep_res)
  if prep_res == "" then error("File content is empty (async).", 0) end
  return call_llm_async("Summarize asynchronously: " .. prep_res)
end

function AsyncSummarizeFile:post(shared, _, exec_res)
  shared.summary[self.params.filename] = exec_res
  return "default"
end

before_each(function()
  calls = 0
end)

describe("the seed's AsyncNode", function()
  it("has an exec, and a prep, that wait", function()
    local shared = { data = { ["a.txt"] = "tides" }, summary = {} }
    assert.equal("default", AsyncSummarizeFile():run(shared, { params = { filename = "a.txt" } }))
    assert.same({ ["a.txt"] = "SUMMARIZE ASYNCHRONOUSLY: TIDES" }, shared.summary)
  end)

  it("raises where the file is empty", function()
    local node = AsyncSummarizeFile()
    local ok, err = pcall(node.run, node, { data = {}, summary = {} },
      { params = { filename = "b" } })
    assert.is_false(ok)
    assert.equal("AsyncSummarizeFile (exec): File content is empty (async).", tostring(err))
  end)
end)

describe("the seed's AsyncFlow", function()
  it("walks plain and async nodes alike", function()
    local LoadData = Node:extend { name = "LoadData" }
    function LoadData.exec(_, shared) shared.data["a.txt"] = "tides" end

    local MyAsyncFlow = AsyncFlow:extend { name = "MyAsyncFlow" }
    local load_data_node = LoadData()
    local async_summarize = AsyncSummarizeFile { params = { filename = "a.txt" } }
    local my_flow = MyAsyncFlow { start = load_data_node, load_data_node >> async_summarize }

    local shared = { data = {}, summary = {} }
    my_flow:run(shared)
    assert.same({ ["a.txt"] = "SUMMARIZE ASYNCHRONOUSLY: TIDES" }, shared.summary)
  end)
end)

describe("the seed's BatchAsyncFlow", function()
  local SummarizeAllFilesAsync = BatchAsyncFlow:extend { name = "SummarizeAllFilesAsync" }

  function SummarizeAllFilesAsync.prep(_, shared)
    neap.sleep(0) -- "you can do async logic here if needed"
    local list = {}
    for filename in pairs(shared.data) do list[#list + 1] = { filename = filename } end
    return list
  end

  local function summarize(options)
    options.start = AsyncFlow { start = AsyncSummarizeFile() }
    local shared = { data = { a = "one", b = "two", c = "three" }, summary = {} }
    SummarizeAllFilesAsync(options):run(shared)
    assert.same({ a = "SUMMARIZE ASYNCHRONOUSLY: ONE", b = "SUMMARIZE ASYNCHRONOUSLY: TWO",
      c = "SUMMARIZE ASYNCHRONOUSLY: THREE" }, shared.summary)
  end

  it("runs the flow once per set of params, in sequence by default", function()
    summarize {}
    assert.equal(3, calls)
  end)

  it("runs them in parallel where that is wanted", function()
    summarize { concurrency = 3 }
    assert.equal(3, calls)
  end)
end)

describe("the seed's retries and fallback", function()
  local RetryAsyncNode = AsyncNode:extend { name = "RetryAsyncNode", max_retries = 3 }

  function RetryAsyncNode.exec(_, shared)
    calls = calls + 1
    neap.sleep(0)
    if calls <= shared.failures then error "the service is down" end
    return "response"
  end

  function RetryAsyncNode.process_after_fail()
    return "Unable to complete async call due to error."
  end

  function RetryAsyncNode.post(_, shared, _, response) shared.response = response end

  it("try three times", function()
    local shared = { failures = 2 }
    RetryAsyncNode():run(shared)
    assert.same({ "response", 3 }, { shared.response, calls })
  end)

  it("provide the fallback then", function()
    local shared = { failures = 3 }
    RetryAsyncNode():run(shared)
    assert.same({ "Unable to complete async call due to error.", 3 }, { shared.response, calls })
  end)

  it("take another number from the constructor", function()
    local shared = { failures = 4 }
    RetryAsyncNode { max_retries = 5 }:run(shared)
    assert.same({ "response", 5 }, { shared.response, calls })
  end)
end)

describe("the seed's best practices", function()
  it("limit a rate with a semaphore", function()
    local semaphore, now, most = neap.semaphore(2), 0, 0
    local Limited = AsyncNode:extend { name = "Limited" }
    function Limited.exec()
      local _ <close> = semaphore:acquire()
      now = now + 1
      most = math.max(most, now)
      neap.sleep(0.001)
      now = now - 1
    end
    BatchFlow { start = Flow { start = Limited() }, concurrency = 6,
      prep = function() return { {}, {}, {}, {}, {}, {} } end }:run {}
    assert.equal(2, most)
  end)

  it("gather several calls in one node", function()
    local Both = AsyncNode:extend { name = "Both" }
    function Both.exec()
      local results = neap.gather {
        summary = function() return call_llm_async "summary" end,
        title = function() return call_llm_async "title" end,
      }
      return results.title .. ": " .. results.summary
    end
    function Both.post(_, shared, _, text) shared.text = text end
    local shared = {}
    Both():run(shared)
    assert.equal("TITLE: SUMMARY", shared.text)
  end)
end)
