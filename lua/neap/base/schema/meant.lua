--- The names that other libraries use for some of neap's options, in lower case and without
--- underscores. Names such as delay and parallel are not here, because scripts give them to
--- fields of their own.
-- SPDX-License-Identifier: MIT
---@type table<string, string>
return {
  prepare = "prep", preprocess = "prep", prepasync = "prep",
  execute = "exec", execasync = "exec", call = "exec", runasync = "run",
  execfallback = "process_after_fail", execfallbackasync = "process_after_fail",
  fallback = "process_after_fail", onfail = "process_after_fail",
  onfailure = "process_after_fail", afterfail = "process_after_fail",
  processafterfailure = "process_after_fail", processafterfailasync = "process_after_fail",
  postasync = "post", postprocess = "post", finish = "post",
  maxretry = "max_retries", maxretrys = "max_retries", retries = "max_retries",
  maxattempts = "max_retries", retry = "max_retries",
  maxtries = "max_retries", tries = "max_retries",
  retrywait = "wait", waittime = "wait", retrydelay = "wait", waitms = "wait",
  timeoutms = "timeout", timeouts = "timeout",
  startnode = "start", maxconcurrency = "concurrency", parallelism = "concurrency",
  parameters = "params",
  apikey = "key", token = "key", apibase = "url", baseurl = "url", endpoint = "url",
  apitoken = "key", maxcompletiontokens = "max_tokens", maxoutputtokens = "max_tokens",
  numpredict = "max_tokens", stopsequences = "stop", reasoningeffort = "reasoning",
  thinking = "reasoning", think = "reasoning", systemprompt = "system",
  instructions = "system", extrabody = "extra", vendor = "provider", functions = "tools",
  args = "command", desc = "description", maxsteps = "max_turns", maxiterations = "max_turns",
}
