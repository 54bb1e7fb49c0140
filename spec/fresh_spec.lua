-- The empty machine of `./dev fresh`, and the count of .ci/run. The machine is
-- made of a shell and little else here: what the real one takes is minutes.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"

-- Only root can make one, and not in every container.
local can = os.execute("[ $(id -u) = 0 ] && unshare --mount --pid --fork true 2>/dev/null")
local it_makes = can and it or pending

-- Stands for debootstrap: makes a folder one can live in, and notes that it did.
local DEBOOTSTRAP = [[
#!/bin/sh
set -e
for word; do machine=$mirror mirror=$word; done # the last words
cd "$machine"
mkdir -p bin dev proc sys root srv tmp etc/apt/apt.conf.d etc/apt/trusted.gpg.d \
  var/cache/apt/archives
for program in sh env sleep; do
  cp "$(command -v $program)" bin/
  cp --parents -L $(ldd "$(command -v $program)" | grep -o '/[^ ]*') .
done
echo made >>"$NOTES"
]]

-- Stands for apt-get, which is only asked for its sources.
local APT_GET = [[
#!/bin/sh
[ "$1" != indextargets ] || echo "$SOURCES"
]]

-- Stands for the ./dev that is on the machine.
local DEV = [[
#!/bin/sh
case $1 in
run) %s ;;
test) %s ;;
esac
]]

-- Makes a repository in whose last commit ./dev does that on `run` and `test`. What
-- lies there is our ./dev, which is not committed.
local function repository(on_run, on_test)
  local folder = helper.tmpdir()
  local tree = folder .. "/tree"
  local self = { folder = folder, cache = folder .. "/cache/neap/fresh",
    notes = folder .. "/notes" }

  function self.commit(run, test)
    helper.write(tree .. "/dev", DEV:format(run, test))
    local result = helper.run({ "sh", "-ec", [[
      chmod +x dev ../stubs/*
      git init --quiet
      git add dev
      git -c user.name=x -c user.email=x@x commit --quiet --allow-empty -m x
      mkdir -p .ci
      cp "$0/dev" .
      cp "$0/.ci/fresh" .ci]], helper.root }, { cwd = tree })
    assert.equal(0, result.status, result.stderr)
  end

  helper.write(folder .. "/mirror/dists/bookworm/Release", "")
  helper.write(folder .. "/stubs/debootstrap", DEBOOTSTRAP)
  helper.write(folder .. "/stubs/apt-get", APT_GET)
  self.commit(on_run, on_test)
  local env = {
    PATH = ("%s/stubs:%s:/usr/sbin:/sbin"):format(folder, os.getenv("PATH")),
    XDG_CACHE_HOME = folder .. "/cache",
    NEAP_INSTALL = "0",
    NOTES = self.notes,
    SOURCES = ("Debian file:%s/mirror bookworm main"):format(folder),
  }

  -- Runs ./dev fresh to its end.
  function self.fresh(sources)
    local with = {}
    for name, value in pairs(env) do with[name] = value end
    with.SOURCES = sources or env.SOURCES
    return helper.run({ "./dev", "fresh" }, { cwd = tree, env = with })
  end

  -- Starts ./dev fresh and returns the process once it has printed the line.
  function self.start(line)
    local process = neap.process.spawn { "./dev", "fresh", cwd = tree, env = env, stderr = "null" }
    repeat until assert(process.stdout:read()) == line
    return process
  end
  return self
end

-- How many processes have this word in their command line.
local function count(word)
  local number = 0
  for _, entry in ipairs(neap.fs.list("/proc")) do
    local ok, line = pcall(helper.read, ("/proc/%s/cmdline"):format(entry.name or entry))
    if ok and line:find(word, 1, true) then number = number + 1 end
  end
  return number
end

describe("./dev fresh", function()
  it_makes("runs what is committed and counts it", function()
    local tree = repository("echo one; [ $(pwd)$HOME = /srv/neap/root ]",
      "[ $2 ] || echo 3 passed, 1 failed; exit 1")
    local result = tree.fresh()
    assert.equal("  one\n  3 passed, 1 failed\n4 passed, 1 failed\n", result.stdout)
    assert.equal(1, result.status)
    tree.commit("exit 1", "echo 3 passed, 0 failed")
    assert.equal("  3 passed, 0 failed\n3 passed, 1 failed\n", tree.fresh().stdout)
    tree.commit(":", "echo 3 passed, 0 failed")
    assert.equal(0, tree.fresh().status)
    tree.commit(":", "echo 3 passed, 0 failed; echo and then it broke")
    assert.equal(1, tree.fresh().status)
  end)

  it_makes("takes a tree that belongs to another user", function()
    local tree = repository(":", "echo 1 passed, 0 failed")
    assert(os.execute("chown -R 65534 " .. helper.quote(tree.folder)))
    assert.equal(0, tree.fresh().status)
  end)

  it_makes("has what a machine has, and nothing of ours", function()
    local tree = repository("[ -c /dev/null -a -c /dev/pts/ptmx -a -e /dev/stdin -a -d /proc/1 ]",
      "[ ! \"$NOTES$NEAP_INSTALL$CI\" ] && echo 1 passed, 0 failed")
    assert.equal(0, tree.fresh().status)
  end)

  it_makes("keeps the empty machine, and not the one that was used", function()
    local tree = repository(":", "[ ! -e /new ] && : >/new && echo 1 passed, 0 failed")
    assert.equal(0, tree.fresh().status)
    assert.equal(0, tree.fresh().status)
    assert.equal("made\n", helper.read(tree.notes))
    assert.is_false(neap.fs.exists(tree.cache .. "/machine"))
  end)

  -- A word that only processes of this spec have in their command lines.
  local function seconds_to_sleep()
    return ("4711.%09d"):format(math.random(999999999))
  end

  -- Of a run that waits on the machine: a word of its command line, and its process.
  local function start_sleeping(tree, seconds)
    tree.commit(":", ("echo waiting; sleep %s"):format(seconds))
    local process = tree.start("  waiting")
    while count(seconds) == 0 do neap.sleep(0.01) end
    return process
  end

  it_makes("takes all down that it made when it is interrupted", function()
    local tree = repository(":", ":")
    for _, signal in ipairs { "SIGINT", "SIGTERM", "SIGHUP" } do
      local seconds = seconds_to_sleep()
      local process <close> = start_sleeping(tree, seconds)
      process:kill(signal)
      assert.equal(signal, process:wait().signal)
      assert.equal(0, count(seconds))
      assert.is_false(neap.fs.exists(tree.cache .. "/machine"))
    end
  end)

  it_makes("leaves a folder when it is killed, which the next one deletes", function()
    local tree = repository(":", ":")
    local seconds = seconds_to_sleep()
    local process <close> = start_sleeping(tree, seconds)
    process:kill("SIGKILL")
    process:wait()
    neap.timeout(10, function()
      while count(seconds) > 0 do neap.sleep(0.01) end
    end)
    assert.is_true(neap.fs.exists(tree.cache .. "/machine"))
    assert.is_nil(helper.read("/proc/mounts"):find(tree.cache, 1, true))
    tree.commit(":", "echo 1 passed, 0 failed")
    assert.equal(0, tree.fresh().status)
    assert.is_false(neap.fs.exists(tree.cache .. "/machine"))
  end)

  it_makes("is left out where apt has no source of Debian 12, or it cannot be reached", function()
    local tree = repository(":", ":")
    local result = tree.fresh("Debian file:/nowhere trixie main")
    assert.same({ 77, "dev: no fresh machine: apt has no source of Debian 12\n" },
      { result.status, result.stderr })
    result = tree.fresh("Debian file:/nowhere bookworm main")
    assert.same({ 77, "dev: no fresh machine: apt's source of Debian 12 cannot be reached\n" },
      { result.status, result.stderr })
  end)
end)

describe(".ci/run", function()
  -- Runs it with a ./dev that does that on `test` and `fresh`.
  local function run(on_test, on_fresh)
    local folder = helper.tmpdir()
    helper.write(folder .. "/.ci/run", helper.read(helper.root .. "/.ci/run"))
    helper.write(folder .. "/dev", ("#!/bin/sh\ncase $1 in\ntest) %s ;;\nfresh) %s ;;\nesac\n")
      :format(on_test, on_fresh))
    return helper.run({ "sh", "-c", "chmod +x dev && exec bash .ci/run" }, { cwd = folder })
  end

  it("adds up both counts in one line, the last", function()
    assert.same({ status = 0, stderr = "", stdout = "a\n  2 passed, 0 failed\n"
      .. "  3 passed, 0 failed\n5 passed, 0 failed\n" },
      run("echo a; echo 2 passed, 0 failed", "echo 3 passed, 0 failed"))
    local result = run("echo 2 passed, 1 failed; exit 1", "echo 3 passed, 2 failed; exit 1")
    assert.matches("\n5 passed, 3 failed\n$", result.stdout)
    assert.equal(1, result.status)
  end)

  it("counts tests alone where no machine can be made", function()
    local result = run("echo 2 passed, 0 failed", "echo no machine >&2; exit 77")
    assert.same({ status = 0, stderr = "no machine\n",
      stdout = "  2 passed, 0 failed\n2 passed, 0 failed\n" }, result)
  end)

  it("fails when a count is missing", function()
    assert.equal(1, run("echo 2 passed, 0 failed", "exit 3").status)
    assert.equal(1, run("exit 3", "echo 2 passed, 0 failed").status)
    assert.matches("\n2 passed, 1 failed\n$",
      run("echo 2 passed, 0 failed", "echo 1 passed, 0 failed; echo more").stdout)
  end)
end)
