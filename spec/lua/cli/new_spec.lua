-- `neap new`: what it makes works as it stands, as a user would try it, and it harms nothing.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"

local ENV = { NEAP_LLM_URL = "", NEAP_LLM_PROVIDER = "", NEAP_LLM_CASSETTE = "",
  EMBED_PROVIDER = "offline", EMBED_MODEL = "" }

local function neap(folder, ...)
  return helper.run({ helper.neap, { ... } }, { cwd = folder, env = ENV, timeout = 60 })
end

-- The files below a folder, by their paths in it, hidden ones too.
local function files(folder)
  local list = helper.files(folder)
  for i, path in ipairs(list) do list[i] = path:sub(#folder + 2) end
  return list
end

-- The path of busted, as the README has neap run it.
local function busted()
  return (helper.run({ "sh", "-c", "which busted" }).stdout:match("%S+"))
end

-- What each kind prints, and what it has besides the files that all have.
local KINDS = {
  flow = { "^The tide comes in twice a day, and goes %(6 words shorter%)\n$" },
  agent = { "^They are 42%.\n$" },
  chat = { "^> \n$" },
  rag = { "^There is no model; this is nearest: ferries.txt\n\nFrom April", "texts/ferries.txt",
    "texts/tickets.txt" },
}

local COMMON = { ".gitignore", ".luacheckrc", "README.md", "main.lua", "spec/main_spec.lua" }

for kind, expected in pairs(KINDS) do
  describe("neap new --" .. kind, function()
    local folder, made

    setup(function()
      folder = helper.tmpdir()
      made = neap(folder, "new", "high-tide", "--" .. kind)
    end)

    -- In the place of /dev/null, which ends a conversation.
    local function in_it(...) return neap(folder .. "/high-tide", ...) end

    it("says what it has made, and what to do with it", function()
      assert.same({ 0, "" }, { made.status, made.stderr })
      local list = table.move(expected, 2, #expected, #COMMON + 1,
        table.move(COMMON, 1, #COMMON, 1, {}))
      assert.same(list, files(folder .. "/high-tide"))
      assert.equal("made:\n  high-tide/" .. table.concat(list, "\n  high-tide/")
        .. "\n\nrun it:   cd high-tide && neap main.lua\n"
        .. "test it:  cd high-tide && neap $(which busted)\n", made.stdout)
    end)

    it("runs, as a script and by the command, from wherever", function()
      for _, result in ipairs { in_it("main.lua"), in_it("run", "main.lua", "--quiet"),
        neap(folder, "run", "high-tide/main.lua", "--quiet") } do
        assert.equal(0, result.status, result.stderr)
        assert.matches(expected[1], result.stdout)
        assert.equal("", (result.stderr:gsub("^neap: NEAP_LLM_URL is not set; [^\n]*\n", "")))
      end
      assert.equal("flowchart TD", in_it("graph", "main.lua").stdout:match("^[^\n]*"))
      local result = json.decode(in_it("run", "main.lua", "--quiet", "--json").stdout)
      assert.is_table(result.shared)
    end)

    it("has the name where it belongs", function()
      assert.matches("^# high%-tide\n\n", helper.read(folder .. "/high-tide/README.md"))
      assert.matches('Flow { name = "high-tide", start = ',
        helper.read(folder .. "/high-tide/main.lua"), 1, true)
      for _, path in ipairs(files(folder)) do
        assert.not_matches("@NAME@", helper.read(folder .. "/" .. path))
      end
    end)

    it("has no mistake that neap check or luacheck would find", function()
      local result = in_it("check", "main.lua")
      assert.same({ 0, "" }, { result.status, result.stdout })
      result = helper.run({ "luacheck", "--no-color", "." }, { cwd = folder .. "/high-tide" })
      assert.equal(0, result.status, result.stdout)
    end)

    it("has a spec that passes, also where a model is named", function()
      for _, url in ipairs { "", "http://127.0.0.1:1" } do
        local result = helper.run({ helper.neap, busted(), "--output", "TAP" },
          { cwd = folder .. "/high-tide", env = { NEAP_LLM_URL = url }, timeout = 60 })
        assert.equal(0, result.status, result.stdout .. result.stderr)
        assert.matches("ok 2 - high-tide ", result.stdout, 1, true)
        assert.not_matches("not ok", result.stdout, 1, true)
      end
    end)

    it("has a spec that fails when a node of the flow fails", function()
      local copy = helper.tmpdir()
      for _, path in ipairs(files(folder .. "/high-tide")) do
        local text = helper.read(folder .. "/high-tide/" .. path)
        helper.write(copy .. "/" .. path,
          (text:gsub("\nreturn flow", "\nfunction flow:post() error 'broken' end%0")))
      end
      local result = helper.run({ helper.neap, busted() }, { cwd = copy, env = ENV, timeout = 60 })
      assert.equal(1, result.status)
      assert.matches("high-tide (post): broken", result.stdout:gsub("main.lua:%d+: ", ""), 1, true)
    end)
  end)
end

describe("neap new --rag", function()
  it("answers from the files of the folder, whatever else is in it", function()
    local folder = helper.tmpdir()
    neap(folder, "new", "tide", "--rag")
    helper.run { "mkdir", folder .. "/tide/texts/old" }
    local result = neap(folder .. "/tide", "main.lua")
    assert.equal(0, result.status, result.stderr)
    assert.matches(KINDS.rag[1], result.stdout)
  end)
end)

describe("neap new", function()
  it("makes a flow unless it is told otherwise", function()
    local folder = helper.tmpdir()
    assert.equal(0, neap(folder, "new", "tide").status)
    assert.matches('measure >> report', helper.read(folder .. "/tide/main.lua"), 1, true)
  end)

  it("takes a path, and a folder that is empty", function()
    local folder = helper.tmpdir()
    helper.run { "mkdir", "-p", folder .. "/my work/tide" }
    helper.run { "ln", "-s", "my work", folder .. "/link" }
    local result = neap(folder, "new", "link/tide/")
    assert.equal(0, result.status, result.stderr)
    assert.equal(5, #files(folder .. "/my work/tide"))
    result = neap(folder, "new", "my work/ebb")
    assert.matches("run it:   cd 'my work/ebb' && neap main.lua\n", result.stdout, 1, true)
    result = helper.run({ "stat", "-c", "%a", folder .. "/my work/ebb" })
    local usual = helper.run({ "stat", "-c", "%a", folder .. "/my work" })
    assert.equal(usual.stdout, result.stdout)
  end)

  it("refuses names, and says which there are", function()
    local folder = helper.tmpdir()
    for _, name in ipairs { "7up", "-", ".", "..", "/", "a b", "ebb.lua", "a\nb", "é", "",
      ("x"):rep(65), "x/.hidden" } do
      local result = neap(folder, "new", name)
      assert.equal(2, result.status)
      assert.matches(("^neap: new: '[^\n]*' is no name; one has letters, digits, %- and _, 64 at "
        .. "most, and begins with a letter\nTry: neap help new\n$"), result.stderr)
    end
    assert.same({}, files(folder))
  end)

  it("refuses arguments that make no sense", function()
    local folder = helper.tmpdir()
    for expected, argv in pairs {
      ["a NAME expected"] = {},
      ["one NAME expected, got 'ebb', too"] = { "tide", "ebb" },
      ["one kind expected, got --agent and --rag"] = { "tide", "--rag", "--agent" },
      ["unknown option '--agnet'; did you mean '--agent'?"] = { "tide", "--agnet" },
      ["unknown option '--robot'"] = { "tide", "--robot" },
      ["'--chat' takes no value"] = { "tide", "--chat=yes" },
      ["nothing expected behind --, got 'ebb'"] = { "tide", "--", "ebb" },
    } do
      local result = neap(folder, "new", table.unpack(argv))
      assert.same({ 2, ("neap: new: %s\nTry: neap help new\n"):format(expected), "" },
        { result.status, result.stderr, result.stdout })
    end
    assert.same({}, files(folder))
  end)

  it("leaves alone what is there", function()
    local folder = helper.tmpdir()
    helper.write(folder .. "/tide/.keep", "")
    helper.write(folder .. "/ebb", "mine")
    for expected, name in pairs {
      ["the folder tide is not empty"] = "tide",
      ["ebb is there already, and no folder"] = "ebb",
      ["there is no folder none"] = "none/tide",
    } do
      local result = neap(folder, "new", name)
      assert.same({ 1, ("neap: new: cannot make %s: %s\n"):format(name, expected), "" },
        { result.status, result.stderr, result.stdout })
    end
    assert.same({ "ebb", "tide/.keep" }, files(folder))
    assert.equal("mine", helper.read(folder .. "/ebb"))
  end)

  -- What is in a folder, by the shell, for an empty folder is something as well.
  local function all_in(folder)
    return helper.run({ "find", ".", "-mindepth", "1" }, { cwd = folder }).stdout
  end

  it("leaves nothing behind when it fails half-way, or is interrupted", function()
    for _, case in ipairs { { 1, 'error("no space left", 0)', "no space left" },
      { 130, "neap.process.run { 'sh', '-c', 'kill -INT $PPID; sleep 60' }", "" } } do
      local folder = helper.tmpdir()
      local result = neap(folder, "-e", ([[
        local neap = require "neap"
        local write, n = neap.fs.write, 0
        neap.fs.write = function(...)
          n = n + 1
          if n == 3 then %s end
          write(...)
        end
        return require "neap.cli".main("new", "tide", "--rag")]]):format(case[2]))
      assert.equal(case[1], result.status, result.stderr)
      assert.matches(case[3], result.stderr, 1, true)
      assert.equal("", all_in(folder))
    end
  end)

  it("does not take the place of what another process has made meanwhile", function()
    local folder = helper.tmpdir()
    local result = neap(folder, "-e", [[
      local neap = require "neap"
      local rename = neap.fs.rename
      neap.fs.rename = function(...)
        neap.fs.mkdir "tide"
        neap.fs.write("tide/mine", "")
        rename(...)
      end
      return require "neap.cli".main("new", "tide")]])
    assert.equal(1, result.status)
    assert.matches("^neap: new: cannot make tide: fs.rename ", result.stderr)
    assert.equal("./tide\n./tide/mine\n", all_in(folder))
  end)
end)
