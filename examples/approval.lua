-- An approval that may take days: each request is a durable run, which waits for a signal in a
-- file, whatever becomes of the processes that work on it. Who has not decided after a day is
-- asked again, three times.
--
--   neap examples/approval.lua [REQUEST]                starts a run, and asks
--   neap runs list examples/approval.lua                what waits
--   neap runs signal examples/approval.lua ID decision --value '{"yes": true, "by": "Ada"}'
--   neap work examples/approval.lua                     goes on with what was decided
--
--   Ask -- "yes" --> Order
--   |  ^-- "late"    (three times)
--   `-- "no" ------> Decline
--
-- The runs are in approval.db, or in the file that APPROVAL_DB names.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local Node, Flow, Wait = neap.Node, neap.Flow, neap.Wait

local DAY <const>, REMINDERS <const> = 86400, 3

-- Its prep is saved with what it has done, so nobody is asked twice after a crash.
local ask = Wait { name = "ask", signal = "decision", timeout = DAY,
  prep = function(self, shared)
    print(("%s: %s%s?"):format(self.run_id, shared.asked > 0 and "again: " or "", shared.request))
  end,
}

function ask:post(shared, _, decision)
  shared.asked = shared.asked + 1
  if not decision then return shared.asked <= REMINDERS and "late" or "no" end
  shared.by = decision.by
  return decision.yes and "yes" or "no"
end

-- What must not happen twice gets a key that is the same for each try, also after a crash.
local order = Node { name = "order" }

function order:exec(shared)
  print(("ordered: %s, approved by %s"):format(shared.request, shared.by))
  return "order " .. self.key
end

function order:post(shared, _, number) shared.number = number end

local decline = Node { name = "decline" }

function decline:exec(shared)
  print(("declined%s: %s"):format(shared.by and " by " .. shared.by or "", shared.request))
end

local approval = Flow { name = "approval", start = ask,
  ask - "yes" >> order,
  ask - "no" >> decline,
  ask - "late" >> ask,
}

local app = neap.durable {
  store = neap.store.sqlite(os.getenv "APPROVAL_DB" or "approval.db"),
  flows = { approval = approval },
}

if not neap.is_main() then return app end -- to neap runs and work

-- Works until the run waits for its decision. Other processes may do that as well.
local run = app:start("approval", { shared = { asked = 0, request = ... or "Tickets to Texel" } })
local work = neap.spawn(app.work, app)
while run:status() == "queued" or run:status() == "running" do neap.sleep(0.01) end
app:stop()
work:await()
