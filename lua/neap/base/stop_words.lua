--- Words of English that carry no meaning of their own.
-- SPDX-License-Identifier: MIT
---@type table<string, true>
local stop_words = {}

for word in ([[
  a about above after again against all also am an and any are as at be because
  been before being below between both but by can cannot could did do does doing
  down during each either few for from further had has have having he her here
  hers him his how i if in into is it its itself may me might more most must my
  no nor not of off on once only or other our out over own same shall she should
  so some such than that the their them then there these they this those through
  to too under until up upon very was we were what when where whether which
  while who whom whose why will with within without would you your
]]):gmatch("%S+") do
  stop_words[word] = true
end

return stop_words
