--- `neap help [COMMAND]`
-- SPDX-License-Identifier: MIT
local report = require "neap.cli.report"

local M = {}

local overview = [[
usage: neap FILE [ARG...]       run a Lua script
       neap -e CODE [ARG...]    run a piece of Lua
       neap COMMAND ...

commands, which take a Lua file that returns a flow:
  run FILE      run the flow, show its progress and its result
  graph FILE    draw the flow for Mermaid or Graphviz
  check FILE    find mistakes in the flow
  serve FILE    answer requests by HTTP with the flow, or with the file's routes

  watch FILE    run a script or a flow, and run it anew when it has changed
  runs WHAT FILE
                list, show or change the runs of a durable app
  work FILE     work off the runs of a durable app
  store WHAT PATH
                check or copy a file that keeps runs
  new NAME      make a folder with a flow to start from, and its spec
  help [COMMAND]
  version

FILE may be - for standard input; a file that has the name of a command is
run as ./NAME. Ctrl-C cancels what runs and lets it clean up; pressed again, it
ends the process at once. SIGTERM and SIGHUP do the same.

A node that computes for more than a second without a wait holds up all tasks,
and neap warns of it. The environment variable NEAP_SLOW sets another number of
seconds; with 0 there is no warning.
]]

local texts = {
  run = [[
usage: neap run FILE [OPTION...] [-- ARG...]

Runs the flow or node that FILE returns. Progress and errors go to stderr.

  --shared JSON       the shared store, an object or array; default: {}
  --shared @FILE      the same, read from a file
  --shared -          the same, read from standard input
  --param NAME=TEXT   a param of the flow; may be given several times
  --param NAME:=JSON  a param that is a number, a boolean, a list, ...
  --timeout SECONDS   cancel the flow when it takes longer
  --max-steps N       fail when more than N nodes have been visited
  --json              print { action, shared, seconds, steps, llm, error } on
                      stdout; what FILE prints goes to stderr
  --traceback         show where the error arose, too
  --quiet             no progress, no summary; errors only
  -- ARG...           what FILE gets as ... and arg

For a FILE that nobody trusts, as one written by a model:

  --untrusted         run it in a sandbox, where it reaches nothing outside
  --grant WHAT        but WHAT: files=DIR or files=DIR:ro, net=HOST[:PORT],
                      net-listen=ADDRESS, unix=PATH, process, env=NAME, clock,
                      input, llm=NAME; may be given several times
  --memory 64M        the memory that it may use
  --compute 1s        how long it may compute without a wait; also 50ms
  --output 1M         how much it may print

Exit status: 0 when the flow ended, 1 when it failed or FILE has no flow, 2
when the arguments make no sense, 128 + N after signal N (130 after Ctrl-C).
]],
  graph = [[
usage: neap graph FILE [--format mermaid|dot] [-- ARG...]

Prints a drawing of the flow or node that FILE returns: as a Mermaid flowchart,
or for Graphviz (neap graph FILE --format dot | dot -Tsvg > flow.svg). Nested
flows and parallels are frames; each is opened once.

Exit status: 0, 1 when FILE has no flow, 2 when the arguments make no sense.
]],
  check = [[
usage: neap check FILE [--json] [-- ARG...]

Looks for mistakes in the flow that FILE returns, and prints each as a line
"FILE: KIND: NODE: message". For that it runs FILE, as the other commands do,
but not the flow:

  no-start      a flow without a start
  class         a class where a node should be
  unreachable   a node of the flow that nothing leads to
  dead-end      a node, or the inside of a flow, ends with an action for which
                there is no successor
  never-taken   a successor for an action that the node never ends with
  unnamed       a node without a name of its own
  same-name     several nodes of one flow with one name
  atomic        an atomic node with wait or timeout
  wired-branch  a branch of a parallel that has successors, where it runs alone

The actions of a post are taken from its source, as far as it returns them
literally. --json prints a list of { kind, node, message } instead.

Exit status: 0 when nothing was found, 1 when something was, 2 when FILE has no
flow or the arguments make no sense.
]],
  watch = [[
usage: neap watch FILE [ARG...]
       neap watch run FILE [OPTION...] [-- ARG...]

Does what neap FILE does, or neap run FILE, and watches FILE and the modules
that it requires from its folder or from this one. When one of them has
changed, what runs is cancelled and may clean up for two seconds; then the new
version is run. A module counts if its name is spelt out: require "tools.text".

Before that, all of these files have to compile, and neap check must find
nothing in FILE but names that are missing or doubled. That check is made of
what neap run takes, and of a script that returns a flow and does its work
only where neap.is_main() says so. If anything is wrong, it is printed, and the
version that runs goes on.

The script runs in a process of its own. When it ends by itself, that is told,
and the next change runs it again. Ctrl-C ends both.

Exit status: 1 when FILE cannot be read at first, 2 when the arguments make no
sense, 128 + N after signal N (130 after Ctrl-C).
]],
  runs = [[
usage: neap runs list FILE [--flow NAME] [--status STATUS] [--tag NAME=TEXT]
                           [--limit N] [--after N]
       neap runs show|history|pause|resume|retry FILE ID
       neap runs signal FILE ID NAME [--value JSON] [--key KEY]
       neap runs cancel FILE ID [--reason TEXT]
       neap runs fork FILE ID [--at SEQ] [--id ID]
       neap runs prune FILE [--ended-before TIME] [--limit N]

Looks at the runs of the durable app that FILE returns, or changes one. What is
changed is saved when the command ends; those who work, as neap work, act on it.

  list                the newest runs, a page of 100
  show                one run: status, shared store, error
  history             its steps
  signal              sends it the signal NAME
  cancel              cancels it
  pause               pauses it when its visit has ended
  resume              lets it go on if it is paused or stuck
  retry               lets it go on if it failed or was given up
  fork                begins a run that goes on where this one is
  prune               removes runs that are not to be kept any longer

  --flow NAME         runs of this flow
  --status STATUS     runs with this status, as waiting
  --tag NAME=TEXT     runs with this tag; may be given several times
  --limit N           at most so many
  --after N           the page that follows: what the one before ended with
  --value JSON        the value of the signal; default: null
  --key KEY           a second signal of the same key is the first
  --reason TEXT       why it is cancelled
  --at SEQ            fork from this step; without: from the last save
  --id ID             the id of the new run; default: a random one
  --ended-before TIME
                      all that ended before, in seconds since 1970
  --json              print JSON: list gives { runs, next }, history a list,
                      prune { removed }, all else the run
  -- ARG...           what FILE gets as ... and arg

Exit status: 0, 1 when there is no such run, FILE returns no app or the store
refuses, 2 when the arguments make no sense.
]],
  work = [[
usage: neap work FILE [OPTION...] [-- ARG...]

Works off the runs of the durable app that FILE returns, until Ctrl-C or SIGTERM.
Then it takes no more of them, lets the visits that are under way end, and gives
the rest back for others to go on with. A second signal ends it at once.

  --queue NAME[=N]    take runs from this queue, at most N at once (200); may be
                      given several times; default: the queue named default
  --grace SECONDS     how long visits may go on after the signal; default: 10
  --quiet             do not tell what has ended
  -- ARG...           what FILE gets as ... and arg

Exit status: 1 when FILE returns no app or the store fails, 2 when the arguments
make no sense, 128 + N after signal N (143 after SIGTERM).
]],
  store = [[
usage: neap store check PATH
       neap store backup PATH TO

Checks a file that keeps durable runs, or copies all that is saved in it to the
new file TO, while others use it.

Exit status: 0, 1 when the file is damaged or cannot be read or written, 2 when
the arguments make no sense.
]],
  serve = [[
usage: neap serve FILE [OPTION...] [-- ARG...]

Runs FILE, and answers requests by HTTP with the routes that it sets with
neap.serve.route. When FILE returns a flow or node, POST / runs it: the JSON in
the body is the shared store, and the answer is what it is at the end. When it
returns a durable app, /runs starts, shows and steers its runs, and they are
worked off here as well.

The first line on stdout is the address; what FILE prints at first goes to
stderr. Ctrl-C and SIGTERM end it when what is under way has been answered, at
most 10 seconds later.

  --listen ADDRESS:PORT  default: 127.0.0.1:8080, which only this machine
                      reaches; port 0 is a free one
  --token-file FILE   requests have to bring the word in this file, as
                      Authorization: Bearer WORD; or that of the environment
                      variable NEAP_SERVE_TOKEN. Needed where others reach it
  --no-work           leave the runs of an app to others, as neap work
  -- ARG...           what FILE gets as ... and arg

Exit status: 1 when FILE fails or the address cannot be had, 2 when the
arguments make no sense, 128 + N after signal N (130 after Ctrl-C).
]],
  new = [[
usage: neap new NAME [--flow|--agent|--chat|--rag]

Makes the folder NAME with a flow to start from in main.lua, a spec that tests
it, and a README. All of it works as it stands, without a network:

  --flow        three nodes, with a branch and a loop; this is the default
  --agent       a language model that calls a tool
  --chat        a conversation with a language model at the terminal
  --rag         answers from a folder of texts

NAME may be a path. What it ends with is the name of the flow: letters, digits,
- and _, beginning with a letter. A folder that is not empty is left alone, and
nothing is left behind when something cannot be written.

Exit status: 0, 1 when nothing could be made, 2 when the arguments make no
sense.
]],
  help = "usage: neap help [COMMAND]\n",
  version = "usage: neap version\n",
}

---@param command? string
---@return integer status
function M.main(command)
  if command and not texts[command] then
    local meant = require("neap.base.options").nearest(command, texts)
    return report.misuse(("unknown command '%s'%s"):format(command,
      meant and ("; did you mean '%s'?"):format(meant) or ""))
  end
  return report.result(command and texts[command] or overview)
end

--- Prints the overview for a call without arguments.
---@return integer status
function M.missing()
  io.stderr:write(overview)
  return 2
end

return M
