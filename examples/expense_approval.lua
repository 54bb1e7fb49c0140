-- Expenses are reviewed, revised and reviewed again until they are decided: a
-- flow with a branch and a loop.
--
--   neap examples/expense_approval.lua
--
--   Review -- "approved" -------> Pay -> File
--     ^ `---- "rejected" ----------------^
--     |  "needs_revision"
--   Revise
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local Node, Flow = neap.Node, neap.Flow

local LIMIT = 1000

-- Review decides. The action that its post returns is the way the flow takes.
local Review = Node:extend { name = "Review" }

function Review:prep(shared)
  return shared.expense
end

function Review:exec(_, expense)
  if expense.amount > LIMIT then
    return { action = "rejected", reason = "above the limit of " .. LIMIT }
  elseif not expense.receipt then
    return { action = "needs_revision", reason = "there is no receipt" }
  end
  return { action = "approved", reason = "in order" }
end

function Review:post(_, expense, verdict)
  print(("%s for %d: %s, %s"):format(
    expense.what, expense.amount, verdict.action, verdict.reason))
  return verdict.action
end

-- Revise does what Review asked for, then the flow goes back to Review.
local Revise = Node:extend { name = "Revise" }

function Revise:exec(shared)
  shared.expense.receipt = "found in a coat pocket"
  shared.revisions = shared.revisions + 1
end

local Pay = Node:extend { name = "Pay" }

function Pay:exec(shared)
  shared.paid = shared.expense.amount
end

-- File is where both ways meet.
local File = Node:extend { name = "File" }

function File:post(shared)
  print(("%s: paid %d after %d revision(s)"):format(
    shared.expense.what, shared.paid, shared.revisions))
end

local review, revise, pay, file = Review {}, Revise {}, Pay {}, File {}

local approval = Flow {
  name = "approval",
  start = review,
  review - "approved" >> pay >> file,
  review - "needs_revision" >> revise >> review,
  review - "rejected" >> file,
}

if not neap.is_main() then return approval end -- to neap run, graph and check

-- Nothing of a run stays in the flow, so one flow serves all expenses.
local expenses = {
  { what = "Train", amount = 89, receipt = "ticket" },
  { what = "Lunch", amount = 23 },
  { what = "Yacht", amount = 250000, receipt = "deed" },
}
for _, expense in ipairs(expenses) do
  approval:run { expense = expense, paid = 0, revisions = 0 }
end
