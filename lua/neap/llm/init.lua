--- A client for chat models behind the OpenAI-compatible endpoint
-- `POST /chat/completions`, and its stand-in without a network.
-- SPDX-License-Identifier: MIT

local options = require "neap.base.options"
local quotes = require "neap.llm.quotes"
local schema = require "neap.base.schema"

local llm = {}

---@alias neap.llm.Message { role: string, content: string|table[] }

---@alias neap.llm.Prompt string|neap.llm.Message[]

---@class neap.llm.Client
---@field offline boolean  true: no endpoint is known; the client summarises
---@field model? string    the model asked for, or the summariser's method
---@field chat fun(self, prompt: neap.llm.Prompt, opts?: neap.llm.chat_opts): string, table

-- Statuses below 500 after which the same request may succeed.
local RETRYABLE = { [408] = true, [409] = true, [425] = true, [429] = true }

-- What a 429 says that no waiting cures.
local NO_MONEY = {
  insufficient_quota = true,
  insufficient_balance = true,
  billing_not_active = true,
  billing_hard_limit_reached = true,
}

-- Why a reply has no text and will have none the next time either, by its
-- `finish_reason`.
local ENDS = {
  tool_calls = "the model called tools",
  function_call = "the model called a function",
  content_filter = "a content filter took the text",
  length = "max_tokens were spent before there was text",
}

--- Returns the value of an environment variable, nil also for an empty one.
local function environment(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

--- Returns the address to post to: a base gets "/chat/completions" appended,
-- before its query if it has one.
local function endpoint(url)
  local path, query = url:match("^([^?#]*)([^#]*)")
  path = path:gsub("/+$", "")
  if not path:find("/chat/completions$") then
    path = path .. "/chat/completions"
  end
  return path .. query
end

--- Returns an address as errors may show it: without query and user.
local function public_url(url)
  return (url:gsub("[?#].*$", ""):gsub("://[^/]*@", "://"))
end

--- Returns the address in NEAP_LLM_URL, nil if there is none. Raises an error
-- object for what is no address: not the script is wrong but its surroundings.
local function url_of_environment()
  local url = environment("NEAP_LLM_URL")
  if url and not schema.options["llm.new"].url.test(url) then
    local shown = public_url(url):gsub("^[^/]*@", "")
    error(require("neap.error").new {
      code = "llm",
      message = "NEAP_LLM_URL is no http URL: " .. shown,
      retryable = false,
    }, 0)
  end
  return url
end

--- Returns what must not appear in errors: the key and the values of headers,
-- unless they are too short to be a secret and would only garble the text.
local function secrets_of(key, headers)
  local list = {}
  local function add(value)
    if #value >= 4 then
      list[#list + 1] = value
    end
  end
  add(key or "")
  for _, value in pairs(headers) do
    add(tostring(value))
  end
  return list
end

--- Returns the part of a decoded reply at the end of these keys, nil if there
-- is no such part.
local function at(reply, ...)
  for _, key in ipairs { ... } do
    reply = type(reply) == "table" and reply[key] or nil
  end
  return reply
end

--- Raises an error if a text is not UTF-8, which the JSON encoder would refuse
-- by a name that nobody knows it by.
local function check_text(text, name)
  if type(text) ~= "string" then
    return
  end
  local length, place = utf8.len(text)
  if not length then
    error(require("neap.error").new {
      code = "json",
      message = ("%s is not UTF-8 (at its byte %d)"):format(name, place),
      retryable = false,
    }, 0)
  end
end

--- Does so for all texts that a request is made of.
local function check_texts(prompt, system)
  check_text(system, "the system's message")
  check_text(prompt, "the prompt")
  for i = 1, type(prompt) == "table" and #prompt or 0 do
    check_text(at(prompt, i, "content"), ("message %d of the prompt"):format(i))
  end
end

local MESSAGES = { test = function(value)
  return type(value) == "table" and #value > 0
end, expected = "string or list of messages" }

--- Returns the messages of a conversation for a prompt, after the system's.
local function messages_of(prompt, system)
  if type(prompt) == "string" then
    prompt = { { role = "user", content = prompt } }
  else
    options.argument(1, "chat", prompt, MESSAGES)
  end
  if not system then
    return prompt
  end
  return { { role = "system", content = system }, table.unpack(prompt) }
end

--- Returns all headers of a request; those given go before the client's own.
local function headers_of(key, ...)
  local headers = { authorization = key and "Bearer " .. key }
  for i = 1, select("#", ...) do
    for name, value in pairs(select(i, ...) or {}) do
      headers[name:lower()] = value
    end
  end
  return headers
end

--- Raises the error for a response: `fields` and what they all have in common.
-- `sent` is what the request had in it that is nobody else's business.
local function fail(fields, response, sent)
  fields.status = response.status
  fields.url = public_url(sent.url)
  fields.body = quotes.excerpt(response.body or "", sent.secrets, sent.messages)
  fields.message =
    ("%s from %s: %s"):format(fields.message, fields.url, fields.body)
  error(require("neap.error").new(fields), 0)
end

--- Returns the decoded body of a response; nil where it is no JSON.
local function decode(response)
  local ok, reply = pcall(require("neap.json").decode, response.body)
  return ok and reply or nil
end

--- Returns the `error` of a reply, nil where it has none.
local function failure_of(reply)
  local failure = at(reply, "error")
  return (type(failure) == "table" or type(failure) == "string") and failure
    or nil
end

--- Returns whether the account has run out of money.
local function is_spent(failure)
  return NO_MONEY[at(failure, "code")] or NO_MONEY[at(failure, "type")] or false
end

--- Returns whether a status says that the same request may succeed later.
local function passes(status)
  return RETRYABLE[status] or math.type(status) == "integer" and status >= 500
    or false
end

--- Returns whether an error that came with a 2xx may pass: by the status in it,
-- else by its words.
local function may_pass(failure)
  local code = at(failure, "code")
  if is_spent(failure) then
    return false
  elseif type(code) == "number" then
    return passes(math.tointeger(code))
  end
  local words = table.concat({
    tostring(code), tostring(at(failure, "type")),
    tostring(type(failure) == "string" and failure or at(failure, "message")),
  }, " "):lower()
  for _, word in ipairs { "overloaded", "rate.?limit", "server.?error",
    "unavailable", "timed? ?out" } do
    if words:find(word) then
      return true
    end
  end
  return false
end

--- Returns the text of a message: its content, or that of its parts which are
-- text; nil if it has none.
local function text_of(message)
  local content = at(message, "content")
  if type(content) == "string" then
    return content
  elseif type(content) ~= "table" then
    return nil
  end
  local texts = {}
  for _, part in ipairs(content) do
    local kind, text = at(part, "type"), at(part, "text")
    if type(text) == "string" and (kind == nil or kind == "text") then
      texts[#texts + 1] = text
    end
  end
  return texts[1] and table.concat(texts) or nil
end

--- Returns why a reply with a message has no text.
local function why_no_text(choice)
  if type(at(choice, "message", "refusal")) == "string" then
    return "the model refused"
  elseif type(at(choice, "message", "tool_calls")) == "table" then
    return ENDS.tool_calls
  end
  return ENDS[at(choice, "finish_reason")] or "it is empty"
end

--- Returns the text and the decoded body of a response, or raises.
local function read_reply(response, sent)
  local status = response.status
  local reply = decode(response)
  local failure = failure_of(reply)
  if status < 200 or status > 299 then
    fail({
      code = "http",
      message = "HTTP status " .. status,
      retryable = passes(status) and not is_spent(failure),
      retry_after = require("neap.http").retry_after(response.headers or {}),
    }, response, sent)
  end
  local choice = at(reply, "choices", 1)
  local message = at(choice, "message")
  local text = text_of(message)
  if text then
    return text, reply
  end
  local what, retryable = "a reply that is no JSON", true
  if failure then
    what, retryable = "an error", may_pass(failure)
  elseif type(message) == "table" then
    what = ("a reply without text (%s)"):format(why_no_text(choice))
    retryable = false -- it has been paid for, and would be again
  elseif reply ~= nil then
    what = "a reply without text"
  end
  fail({ code = "llm", message = what, retryable = retryable }, response, sent)
end

--- Raises an error unless chat was called with its client: a dot in place of the
-- colon has the prompt stand there.
local function check_self(self, client)
  if self ~= client then
    options.blame(("bad argument #1 to 'chat' (a client expected, got %s; call "
      .. "it as client:chat(...))"):format(type(self)))
  end
end

--- Returns the client for an endpoint. The key and the address, which may hold
-- one, are upvalues: who prints the client does not print them.
local function online(url, key, defaults, http)
  url = endpoint(url)
  local client = { offline = false, model = defaults.model }

  function client.chat(self, prompt, opts)
    check_self(self, client)
    opts = options.check(opts, "chat")
    local function option(name)
      if opts[name] ~= nil then
        return opts[name]
      end
      return defaults[name]
    end
    local system = option("system")
    local messages = messages_of(prompt, system)
    check_texts(prompt, system)
    local headers = headers_of(key, defaults.headers, opts.headers)
    -- What `post` raises goes through untouched: a cancellation has to, and a
    -- refused connection says itself whether to try again.
    local response = (http or require("neap.http")).post(url, {
      json = {
        model = option("model"),
        messages = messages,
        temperature = option("temperature"),
        max_tokens = option("max_tokens"),
      },
      headers = headers,
      timeout = option("timeout"),
    })
    return read_reply(response, {
      url = url,
      secrets = secrets_of(key, headers),
      messages = messages,
    })
  end

  return client
end

--- Returns the text of the user's last message, nil if there is none. The
-- content of a message may be a list of parts, not all of them text.
local function last_words(messages)
  for i = #messages, 1, -1 do
    local role, content = messages[i].role, messages[i].content
    if role == "user" and type(content) == "string" then
      return content
    elseif role == "user" and type(content) == "table" then
      local parts = {}
      for _, part in ipairs(content) do
        parts[#parts + 1] = part.text
      end
      return table.concat(parts, "\n\n")
    end
  end
end

--- Returns what a prompt asks to summarise. The instruction is what stands
-- before the first colon that white space follows, on the first line and among
-- its first 120 bytes: "Summarize: ...", "In two sentences, please:\n\n...".
local function without_instruction(prompt)
  local colon = prompt:sub(1, 121):match("^[^\n]-():%s")
  local text = colon and prompt:sub(colon + 1) or prompt
  return text:find("%S") and text or prompt
end

local told_offline = false

--- Returns the client that needs no endpoint.
local function offline()
  local summary = require("neap.summary")
  local client = { offline = true, model = summary.method }
  if not told_offline then
    told_offline = true
    io.stderr:write("neap: NEAP_LLM_URL is not set; ",
      "using the built-in offline summariser, ", summary.method, "\n")
  end

  function client.chat(self, prompt, opts)
    check_self(self, client)
    options.check(opts, "chat")
    local words = last_words(messages_of(prompt))
    if not words then
      error("the offline summariser needs a message of the user", 2)
    end
    local text = summary.summarize(without_instruction(words))
    local answer = { role = "assistant", content = text }
    local choice = { index = 0, message = answer, finish_reason = "stop" }
    return text, { model = client.model, choices = { choice } }
  end

  return client
end

--- Makes a client for a chat model.
--
-- Without an address it is offline, and says so once on stderr: `chat` then
-- returns an extract of the user's last message (see `neap.summary`), from
-- which a leading instruction up to a colon ("Summarize: ...") is taken away;
-- the options about models are accepted and have nothing to act on.
--
-- `client:chat(prompt, opts)` sends a string, or a list of messages
-- { role =, content = }, and waits for the answer. It returns the text and the
-- whole decoded reply (`usage`, `model`, `choices[1].finish_reason`); its `opts`
-- override the client's. It raises
--
-- * code "http" for a status other than 2xx, with `status`, `retryable` (408,
--   409, 425, 429 and 5xx, but for a quota that is spent), `retry_after` in
--   seconds if the server named a time, and the beginning of the `body`;
-- * code "llm" for a reply that is no JSON (`retryable`), is an error (by what
--   that says), or has no text though it has a message: tool calls, a refusal,
--   a content filter (not `retryable`);
-- * code "json", not `retryable`, for a prompt that is not UTF-8;
-- * what `http.post` raises when there was no response.
--
-- None of them holds the key, a header's value, the query of an address, or
-- words of the prompt that the server quotes.
--
-- An address in NEAP_LLM_URL that is none raises code "llm", not `retryable`.
---@param opts? neap.llm.opts
---@return neap.llm.Client
function llm.new(opts)
  opts = options.take(opts, "llm.new")
  local url = opts.url or url_of_environment()
  if not url then
    return offline()
  end
  opts.model = opts.model or environment("NEAP_LLM_MODEL")
  return online(url, opts.key or environment("NEAP_LLM_KEY"), opts, opts.http)
end

return llm
