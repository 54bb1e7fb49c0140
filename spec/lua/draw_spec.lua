-- Drawings of flows.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local draw = require "neap.draw"
local Node, BatchNode = neap.Node, neap.BatchNode
local Flow, BatchFlow, parallel = neap.Flow, neap.BatchFlow, neap.parallel

-- The expense approval of the README: a branch and a loop.
local function expense()
  local review = Node { name = "review" }
  local pay, revise = Node { name = "pay" }, Node { name = "revise" }
  return Flow { name = "expense", start = review,
    review - "approved" >> pay,
    review - "needs_revision" >> revise >> review,
    review - "rejected" >> neap.END,
  }
end

local function order()
  local charge = Node { name = "charge" }
  local payment = Flow { name = "payment", start = charge }
  local ship = BatchNode { name = "ship" }
  return Flow { name = "order", start = payment,
    payment >> ship,
    payment - "declined" >> payment,
  }
end

describe("neap.draw", function()
  describe("mermaid", function()
    it("labels the actions, marks start and end, follows a loop once", function()
      assert.equal([[
flowchart TD
  s1([start])
  n2["review"]
  n3["pay"]
  n4["revise"]
  e1([END])
  s1 --> n2
  n2 -->|"approved"| n3
  n2 -->|"needs_revision"| n4
  n2 -->|"rejected"| e1
  n4 --> n2
]], draw.mermaid(expense()))
    end)

    it("frames nested flows and shapes batches differently", function()
      assert.equal([=[
flowchart TD
  s1([start])
  subgraph f2["payment"]
    s2([start])
    n3["charge"]
    s2 --> n3
  end
  n4[["ship"]]
  s1 --> f2
  f2 --> n4
  f2 -->|"declined"| j5((" "))
  j5 --> f2
]=], draw.mermaid(order()))
    end)

    it("frames the outermost flow when it is a batch", function()
      local all = BatchFlow { name = "all", start = Node { name = "one" } }
      assert.equal([[
flowchart TD
  subgraph f1["all (batch)"]
    s1([start])
    n2["one"]
    s1 --> n2
  end
]], draw.mermaid(all))
    end)

    it("draws a node alone without its successors", function()
      local node = Node { name = "a" }
      node:to(Node { name = "b" })
      assert.equal('flowchart TD\n  n1["a"]\n', draw.mermaid(node))
    end)

    it("draws a flow without a start", function()
      assert.equal("flowchart TD\n  s1([no start])\n", draw.mermaid(Flow {}))
    end)

    it("opens a flow that contains itself once", function()
      local again = Flow { name = "again" }
      local step = Node { name = "step" }
      again.start = step
      step:to(again, "deeper")
      assert.equal([[
flowchart TD
  s1([start])
  n2["step"]
  n3["again (as above)"]
  s1 --> n2
  n2 -->|"deeper"| n3
]], draw.mermaid(again))
    end)

    it("tells nodes of one name apart", function()
      local first, second = Node { name = "ask" }, Node { name = "ask" }
      local text = draw.mermaid(Flow { start = first, first >> second })
      assert.matches('n2["ask"]', text, 1, true)
      assert.matches('n3["ask (2)"]', text, 1, true)
    end)

    it("escapes what Mermaid would read as its own", function()
      local node = Node { name = 'say "#1" <b>\n\xff' }
      node:to(neap.END, 'a|"b"')
      local text = draw.mermaid(Flow { start = node })
      assert.matches('n2["say #34;#35;1#34; #60;b#62; \u{FFFD}"]', text, 1, true)
      assert.matches('n2 -->|"a|#34;b#34;"| e1', text, 1, true)
    end)
  end)

  describe("dot", function()
    it("draws nested flows as clusters that arrows enter and leave", function()
      assert.equal([[
digraph "order" {
  compound=true;
  node [shape=box];
  s1 [shape=point, xlabel="start"];
  subgraph cluster_f2 {
    label="payment";
    s2 [shape=point, xlabel="start"];
    n3 [label="charge"];
    s2 -> n3;
  }
  n4 [label="ship", shape=box3d];
  s1 -> s2 [lhead=cluster_f2];
  n3 -> n4 [ltail=cluster_f2];
  n3 -> s2 [label="declined"];
}
]], draw.dot(order()))
    end)

    it("labels the actions and draws the end", function()
      local text = draw.dot(expense())
      assert.matches('\n  e1 [shape=oval, label="END"];\n', text, 1, true)
      assert.matches('\n  n2 -> e1 [label="rejected"];\n', text, 1, true)
      assert.matches("\n  n4 -> n2;\n", text, 1, true)
    end)

    it("escapes quotes and backslashes", function()
      assert.matches([["a \"b\" \\n"]], draw.dot(Node { name = [[a "b" \n]] }), 1, true)
    end)
  end)

  it("draws 10,000 nested flows", function()
    local flow = Node { name = "bottom" }
    for _ = 1, 10000 do flow = Flow { name = "f", start = flow } end
    local _, frames = draw.mermaid(flow):gsub("subgraph", "")
    assert.equal(9999, frames)
    _, frames = draw.dot(flow):gsub("subgraph", "")
    assert.equal(9999, frames)
  end)

  it("refuses what is no flow", function()
    assert.has_error(function() draw.mermaid(5) end,
      "bad argument #1 to 'mermaid' (node or flow expected, got 5)")
    assert.has_error(function() draw.dot(Node) end,
      "bad argument #1 to 'dot' (node or flow expected, got neap.class)")
  end)
end)

describe("drawing a parallel", function()
  local function forked()
    local pay = Flow { name = "pay", start = Node { name = "charge" } }
    local pack, mail = Node { name = "pack" }, BatchNode { name = "mail" }
    local fork = parallel { name = "fork", pack, pay, mail }
    return Flow { name = "order", start = fork, fork >> Node { name = "ship" } }
  end

  it("frames its branches, for Mermaid", function()
    assert.equal([=[
flowchart TD
  s1([start])
  subgraph f2["fork (parallel)"]
    s2([start])
    n3["pack"]
    subgraph f4["pay"]
      s4([start])
      n5["charge"]
      s4 --> n5
    end
    n6[["mail"]]
    s2 --> n3
    s2 --> f4
    s2 --> n6
  end
  n7["ship"]
  s1 --> f2
  f2 --> n7
]=], draw.mermaid(forked()))
  end)

  it("frames its branches, for Graphviz", function()
    assert.equal([[
digraph "order" {
  compound=true;
  node [shape=box];
  s1 [shape=point, xlabel="start"];
  subgraph cluster_f2 {
    label="fork (parallel)";
    s2 [shape=point, xlabel="start"];
    n3 [label="pack"];
    subgraph cluster_f4 {
      label="pay";
      s4 [shape=point, xlabel="start"];
      n5 [label="charge"];
      s4 -> n5;
    }
    n6 [label="mail", shape=box3d];
    s2 -> n3;
    s2 -> s4 [lhead=cluster_f4];
    s2 -> n6;
  }
  n7 [label="ship"];
  s1 -> s2 [lhead=cluster_f2];
  n6 -> n7 [ltail=cluster_f2];
}
]], draw.dot(forked()))
  end)

  it("frames the outermost one, tells equal branches apart, leaves their wires out", function()
    local a = Node { name = "a" }
    a:to(Node { name = "b" })
    assert.equal([[
flowchart TD
  subgraph f1["fork (parallel)"]
    s1([start])
    n2["a"]
    n3["a (2)"]
    s1 --> n2
    s1 --> n3
  end
]], draw.mermaid(parallel { name = "fork", a, a }))
    assert.matches('label="fork (parallel)"', draw.dot(parallel { name = "fork", a }), 1, true)
  end)

  it("opens it once", function()
    local fork = parallel { name = "fork", Node { name = "a" } }
    local first, second = Flow { name = "f", start = fork }, Flow { name = "g", start = fork }
    local text = draw.mermaid(Flow { start = first, first >> second })
    assert.matches('["fork (as above)"]', text, 1, true)
  end)
end)
