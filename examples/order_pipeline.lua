-- An order goes through payment, inventory and shipping, each a flow of its
-- own: a flow is a node, so flows are wired like nodes.
--
--   neap examples/order_pipeline.lua [QUANTITY]
--
-- There are five in stock. Whoever orders more gets the money back, and the
-- exit status is 1. Payments, stock and parcels are only acted here.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local Node, Flow = neap.Node, neap.Flow

local PRICE, STOCK = 20, 5

local Validate = Node:extend { name = "Validate" }

function Validate:exec(shared)
  if shared.quantity < 1 then
    error("an order has a quantity of 1 or more")
  end
end

-- Banks are slow, and sometimes out of reach. What waits here holds up nobody
-- else, and only exec is repeated when it fails.
local Charge = Node:extend {
  name = "Charge",
  max_retries = 3,
  wait = 0.05,
  timeout = 1,
}

function Charge:exec(shared)
  neap.sleep(0.02)
  if self.cur_retry == 0 then
    error("the bank is out of reach")
  end
  return shared.quantity * PRICE
end

function Charge:post(shared, _, amount)
  shared.charged = amount
  print(("payment: charged %d at attempt %d"):format(
    amount, self.cur_retry + 1))
end

local validate = Validate {}
local payment = Flow {
  name = "payment",
  start = validate,
  validate >> Charge {},
}

local Check = Node:extend { name = "Check" }

function Check:post(shared)
  if shared.quantity > STOCK then
    return "out_of_stock"
  end
end

local Reserve = Node:extend { name = "Reserve" }

function Reserve:post(shared)
  print(("inventory: reserved %d of %d"):format(shared.quantity, STOCK))
end

-- The inner flow ends with "out_of_stock" on purpose. That is then its own
-- action, and where it leads is the business of the outer flow.
local check = Check {}
local inventory = Flow {
  name = "inventory",
  start = check,
  check >> Reserve {},
  check - "out_of_stock" >> neap.END,
}

local Pack = Node:extend { name = "Pack" }

function Pack:exec(shared)
  return ("parcel with %d item(s)"):format(shared.quantity)
end

function Pack:post(shared, _, parcel)
  shared.parcel = parcel
end

local Send = Node:extend { name = "Send" }

function Send:post(shared)
  print("shipping: sent a " .. shared.parcel)
end

local pack = Pack {}
local shipping = Flow { name = "shipping", start = pack, pack >> Send {} }

local Refund = Node:extend { name = "Refund" }

function Refund:post(shared)
  print(("refund: %d, for there are only %d in stock"):format(
    shared.charged, STOCK))
  return "refunded"
end

local order = Flow {
  name = "order",
  start = payment,
  payment >> inventory >> shipping,
  inventory - "out_of_stock" >> Refund {},
}

if not neap.is_main() then return order end -- to neap run, graph and check

local quantity = math.tointeger(tonumber(... or 2))
if not quantity then
  io.stderr:write("usage: order_pipeline.lua [QUANTITY]\n")
  return 2
end

-- run returns the last action.
local action = order:run { quantity = quantity }
return action == "refunded" and 1 or 0
