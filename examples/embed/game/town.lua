-- What the people of the town do. Change it while the game runs: each of them goes on with
-- it as soon as what they are at has ended. A mistake is shown, and changes nothing.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local town = require "town" -- the functions of the game, in script.c
local Node = neap.Node

local function pick(list) return list[math.random(#list)] end
local function some_time(least, most) neap.sleep(least + math.random() * (most - least)) end

-- What a person does next. `me` is the shared store of this person's flow.
local Plan = Node:extend { name = "Plan" }
function Plan:post(me)
  local hour = town.hour()
  if hour >= 21 + me.id % 8 / 4 or hour < 5 + me.id % 12 / 6 then return "sleep" end
  if me.purse > 4 and math.random() < 0.4 then return "shop" end
  if math.random() < 0.5 then return "stroll" end
  return me.trade == "fisher" and pick { "pier", "beach" } or me.trade
end

-- A node in C, which ends when the person has arrived. The function walk_to does the same.
local function walk(place)
  return neap.native("walk", { name = "Walk", params = { place = place } })
end

local Sleep = Node:extend { name = "Sleep" }
function Sleep:exec(me)
  town.go_inside(me.id, true)
  repeat some_time(1, 3) until town.hour() > 5 + me.id % 12 / 6 and town.hour() < 20
  town.go_inside(me.id, false)
end

-- ---- work ---------------------------------------------------------------------------------

-- Fish seldom bite: three attempts, and a fallback.
local Fish = Node:extend { name = "Fish", max_retries = 3, wait = 1 }
function Fish:exec()
  some_time(1, 3)
  if math.random() < 0.6 then error("nothing bites") end
  return pick { "A herring!", "A cod!", "An eel!", "Big one!" }
end
function Fish:process_after_fail() return pick { "Nothing bites.", "Only a boot." } end
function Fish:post(me, _, words)
  town.say(me.id, words, 2)
  me.purse = me.purse + 2
end

local Dig = Node:extend { name = "Dig" }
function Dig:exec(me)
  for _ = 1, math.random(2, 4) do
    some_time(1, 2)
    walk_to(me.id, "field")
  end
  me.purse = me.purse + 2
end

-- Children run and shout at the same time.
local Run, Shout = Node:extend { name = "Run" }, Node:extend { name = "Shout" }
function Run:exec(me) for _ = 1, 3 do walk_to(me.id, "park") end end
function Shout:exec(me)
  some_time(0, 6)
  town.say(me.id, pick { "Tag!", "You're it!", "Catch me!", "Wheee!" }, 1.5)
end

local Bake = Node:extend { name = "Bake" }
function Bake:exec(me)
  some_time(2, 5)
  town.say(me.id, pick { "Fresh rolls!", "Rye bread!", "Still warm!" }, 2)
  me.purse = me.purse + 2
end

local Watch = Node:extend { name = "Watch" }
function Watch:exec(me)
  some_time(2, 5)
  town.say(me.id, pick { "All is well.", "Who goes there?", "Low water." }, 2)
end

-- ---- trade and talk ------------------------------------------------------------------------

-- The stalls serve twelve at once; who comes later stands in line.
local stalls = neap.semaphore(12)
local Trade = Node:extend { name = "Trade" }
function Trade:exec(me)
  local _ <close> = stalls:acquire()
  town.say(me.id, pick { "Two rolls, please.", "How much?", "Is it fresh?", "I take it." }, 2)
  some_time(1, 2)
  me.purse = me.purse - 2
end

local talks = {
  { "Fine tide today.", "A neap tide!" }, { "Any news?", "The boats are in." },
  { "Have you eaten?", "Not since noon." }, { "Cold, isn't it?", "It is the wind." },
  { "Good catch?", "Ask the eels." }, { "Is it late?", "Look at the sun." },
}

-- Who strolls can be stopped for a talk. Both are told of it: each goes on in a flow of
-- their own, and a channel carries the words from one to the other.
local Stroll = Node:extend { name = "Stroll" }
function Stroll:exec(me)
  me.talk, me.is_free = nil, true
  walk_to(me.id, pick { "square", "park", "road", "gate", "beach" })
  me.is_free = false
  local you = town.people[town.near(me.id)]
  if not me.talk and you and you.is_free then
    you.is_free = false
    local talk = { words = pick(talks), voice = neap.channel(1), first = me.id }
    me.talk, you.talk = talk, talk
    town.stop(you.id)
    town.face(me.id, you.id)
  end
end
function Stroll:post(me) return me.talk and "talk" end

local Talk = Node:extend { name = "Talk", timeout = 10 }
function Talk:exec(me)
  local talk = me.talk
  if talk.first == me.id then
    town.say(me.id, talk.words[1], 2)
    neap.sleep(2)
    talk.voice:send(talk.words[2])
    neap.sleep(2)
  else
    town.say(me.id, talk.voice:receive(), 2)
    neap.sleep(2)
  end
end

-- ---- the flow of each person -----------------------------------------------------------------

local plan, stroll, fish = Plan(), Stroll(), Fish()

return neap.Flow {
  name = "day", start = plan,
  plan - "sleep" >> walk "home" >> Sleep(),
  plan - "shop" >> walk "market" >> Trade(),
  plan - "pier" >> walk "pier" >> fish,
  plan - "beach" >> walk "beach" >> fish,
  plan - "farmer" >> walk "field" >> Dig(),
  plan - "child" >> walk "park" >> neap.parallel { name = "Play", Run(), Shout() },
  plan - "baker" >> walk "market" >> Bake(),
  plan - "guard" >> walk "gate" >> Watch(),
  plan - "stroll" >> stroll,
  stroll - "talk" >> Talk(),
  stroll >> neap.END,
}
