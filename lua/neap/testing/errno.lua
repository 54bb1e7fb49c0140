--- The system's texts for its errors, for the fakes of neap.testing.
-- SPDX-License-Identifier: MIT

---@type table<string, string> by their names
return {
  EACCES = "permission denied", EADDRINUSE = "address already in use",
  EAI_AGAIN = "temporary failure", EAI_NONAME = "unknown node or service",
  EBADF = "bad file descriptor", ECONNREFUSED = "connection refused",
  ECONNRESET = "connection reset by peer", EEXIST = "file already exists",
  EHOSTUNREACH = "host is unreachable", EINVAL = "invalid argument", EIO = "i/o error",
  EISDIR = "is a directory", EMFILE = "too many open files", ENETUNREACH = "network is unreachable",
  ENOENT = "no such file or directory", ENOEXEC = "exec format error",
  ENOMEM = "not enough memory", ENOSPC = "no space left on device", ENOTDIR = "not a directory",
  ENOTEMPTY = "directory not empty", EPERM = "operation not permitted", EPIPE = "broken pipe",
  EROFS = "read-only file system", ETIMEDOUT = "connection timed out",
}
