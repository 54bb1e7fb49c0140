-- The game: a foreign project, built against what is installed, and played without a screen.
-- SPDX-License-Identifier: MIT
local foreign = require "spec.foreign"
local helper = require "spec.helper"
local neap = require "neap"

local has_sdl = os.execute("pkg-config --exists sdl2 zlib")
local it = has_sdl and it or function(what, f) pending(what .. " (there is no SDL 2)", f) end

local source = helper.root .. "/examples/embed/game"
local town = helper.read(source .. "/town.lua")

describe("the game", function()
  local prefix, game
  local env = { SDL_VIDEODRIVER = "dummy" }
  for name, value in pairs(foreign.env) do env[name] = value end

  setup(function()
    if not has_sdl then return end
    prefix = foreign.install()
    local folder = helper.tmpdir()
    foreign.succeed { "cmake", "-G", "Ninja", "-S", source, "-B", folder,
      "-DCMAKE_PREFIX_PATH=" .. prefix,
      "-DCMAKE_C_FLAGS=" .. (foreign.sanitizers and foreign.flags or "-Werror") }
    foreign.succeed { "ninja", "-C", folder }
    game = folder .. "/game"
  end)

  -- Plays; returns what the game says, and its figures by name.
  local function play(...)
    local result = helper.run({ game, ... }, { cwd = source, env = env })
    local output = result.stdout
    assert.equal(0, result.status, output .. result.stderr)
    local ended, failed = output:match("\nflows: (%d+) have ended, (%d+) of them failed\n$")
    local longest, over, frames = output:match(
      "processor, ms: [^\n]* longest ([%d.]+)  over 16.7: (%d+) of (%d+) frames")
    return { output = output, errors = result.stderr, longest = tonumber(longest),
      over = tonumber(over), frames = tonumber(frames), ended = tonumber(ended),
      failed = tonumber(failed) }
  end

  it("plays some seconds, with no frame that neap has made late", function()
    local played = play("--fast", "--frames", "900")
    assert.equal(900, played.frames)
    assert.equal(0, played.over, played.output)
    assert.equal(0, played.failed, played.output)
    assert.is_true(played.ended > 200, played.output)
  end)

  it("goes on while a flow computes without an end, which is then ended", function()
    local picture = helper.build .. "/game.png" -- that in docs/ is one of these
    os.remove(picture)
    local played = play("--fast", "--frames", "900", "--press", "820", "H",
      "--screenshot", picture)
    assert.equal(1, played.failed, played.output)
    assert.is_true(played.longest < 5, played.output)
    assert.matches("hog %(exec%): computed for more than 0.05 s", played.errors)

    local png = helper.read(picture)
    assert.equal("\x89PNG\r\n\x1a\n\0\0\0\x0DIHDR", png:sub(1, 16))
    local width, height = (">I4I4"):unpack(png, 17)
    assert.same({ 1024, 640 }, { width, height })
  end)

  it("is paused as a whole, and goes on at a quarter of the speed", function()
    local all = play("--fast", "--frames", "900").ended
    local half = play("--fast", "--frames", "900", "--press", "450", "Space")
    assert.is_true(half.ended > 0 and half.ended < all * 0.6, half.output)
    local quarter = play("--fast", "--frames", "900", "--press", "1", "S")
    assert.is_true(quarter.ended > 0 and quarter.ended < all * 0.4, quarter.output)
  end)

  it("is built by the one line in its README, too", function()
    local folder = foreign.example(prefix, "game/*", "%*%.c")
    local output = foreign.succeed({ folder .. "/harbour", "--frames", "10" },
      { cwd = folder, env = env })
    assert.matches("^town%.lua is loaded\n", output)
  end)

  it("refuses what is no option, and says of a script what is wrong with it", function()
    assert.equal(2, helper.run({ game, "--fly", "1" }, { env = env }).status)
    local path = helper.write(helper.tmpdir() .. "/town.lua", "return 1 +")
    local result = helper.run({ game, path }, { env = env })
    assert.equal(1, result.status)
    assert.matches("town.lua:1: unexpected symbol near <eof>", result.stderr)
  end)

  it("takes over a script that is edited, and goes on with the old one if it is wrong", function()
    local folder = helper.tmpdir()
    -- Writes the file as most editors do.
    local function save(text)
      assert(os.rename(helper.write(folder .. "/town.lua~", text), folder .. "/town.lua"))
    end
    save(town)
    local process <close> = neap.process.spawn { game, cwd = folder, env = env, stdin = "null",
      stderr = "pipe" }
    local function line(stream)
      return neap.timeout(30, function() return stream:read() end)
    end
    assert.equal("town.lua is loaded", line(process.stdout))
    save(town .. "end\n")
    assert.matches("town.lua:%d+: <eof> expected near 'end'", line(process.stderr))
    save(town .. "\n")
    assert.equal("town.lua is loaded", line(process.stdout))
    -- A flow that fails says so, and is started again after a while.
    save((town:gsub("function Plan:post%(me%)", "%0 if me.id == 7 then me.purse = {} + 1 end")))
    assert.equal("town.lua is loaded", line(process.stdout))
    assert.matches("^day > Plan %(post%): .*town.lua:%d+: attempt to perform arithmetic",
      line(process.stderr))
    process:kill() -- which SDL takes for the window's end
    assert.matches("^neap, wall clock", line(process.stdout))
    assert.equal(0, process:wait().code)
  end)
end)
