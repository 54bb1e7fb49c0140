--- What a node costs that does not wait.
-- SPDX-License-Identifier: MIT

---@param t bench.Tools
---@return bench.Row[]
return function(t)
  local count = t.part(1000000)

  local function walk(label, name)
    return t.neap_by(label, "bench/nodes.lua", name, count)
  end

  local function row(id, title, name, peers)
    return { id = "node/" .. id, title = title, measures = { { "wall", "ns", per = count } },
      neap = walk("neap", "neap." .. name), peers = peers }
  end

  local function by_hand(label, name)
    return t.with(walk(label, "hand." .. name), { most = { wall = 1.25 } })
  end

  return {
    row("loop", "a node: prep, exec, post, the next one by action", "loop", {
      by_hand("the loop by hand in Lua", "loop"),
      walk("the loop without a fresh self", "hand.plain"),
      t.with(t.node_by("pocketflow", "pocketflow", "bench/nodes.mjs", "pocketflow", t.npm, count),
        { most = { wall = 1 / 4 } }),
      t.with(t.python_by("a like engine on asyncio", "bench/nodes.py", count),
        { most = { wall = 1 / 16 } }),
      t.with(t.node_by("LangGraph", "@langchain/langgraph", "bench/nodes.mjs", "langgraph", t.npm,
        t.part(1000)), { most = { wall = 1 / 3000 }, share = t.part(1000) / count }),
    }),
    row("retry", "a node with max_retries = 3 that never fails", "retry",
      { by_hand("the loop, pcall in a loop of attempts", "retry") }),
    row("nested", "a node alone in a flow, which is a node of the outer flow", "nested",
      { by_hand("a loop in the loop", "nested") }),
    row("batch", "an item of a batch", "batch",
      { by_hand("a loop, a fresh self for each item", "batch") }),
  }
end
