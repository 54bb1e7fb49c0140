/* How a process comes to be.
 * SPDX-License-Identifier: MIT */
#include "process_start.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/status.h"
#include "grants/files.h"

/* posix_spawn instead of uv_spawn, and a descriptor for the process (pidfd_open
 * of Linux 5.3) instead of SIGCHLD. uv_spawn handles that signal for the whole
 * process, which a library has no right to do, and each exit of a child has
 * each loop look at all of its children. Besides, posix_spawn does not copy the
 * page tables of a large host. */

static void close_fd(int *fd) {
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

/* Moves a descriptor above 2, where the host has closed its standard input,
 * output or error: otherwise dup2 in the child could overwrite it. Returns the
 * new one, or -1 with errno set; the old one is closed in either case. */
static int lift(int fd) {
  if (fd < 0 || fd > 2)
    return fd;
  int lifted = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  neap__sys_close(fd);
  return lifted;
}

/* Makes a pipe. The program gets *theirs as its standard input (`index` 0) or
 * output. */
static int make_pipe(int index, int *ours, int *theirs) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0)
    return neap__sys_code();
  int in = lift(fds[0]), out = lift(fds[1]);
  *theirs = index == 0 ? in : out;
  *ours = index == 0 ? out : in;
  if (in >= 0 && out >= 0)
    return 0;
  int code = neap__sys_code();
  close_fd(ours);
  close_fd(theirs);
  return code;
}

/* Opens a file of the host's, if it was granted. */
static int open_path(neap__grants *grants, const char *path, int flags,
                     int *number) {
  return lift(grants ? neap__grants_open(grants, path, flags, 0666, number)
                     : open(path, flags, 0666));
}

static int open_file(int index, neap_stdio kind, const char *path,
                     neap__grants *grants, int *number) {
  int flags = O_CLOEXEC | O_NOCTTY;
  if (kind == NEAP_STDIO_NULL)
    return lift(open("/dev/null", flags | (index == 0 ? O_RDONLY : O_WRONLY)));
  if (index == 0)
    return open_path(grants, path, flags | O_RDONLY, number);
  flags |= O_WRONLY | O_CREAT;
  flags |= kind == NEAP_STDIO_APPEND ? O_APPEND : O_TRUNC;
  return open_path(grants, path, flags, number);
}

/* Whether the program may have the host's descriptor `index`. */
static bool may_inherit(neap__grants *grants, int index, int *number) {
  if (!grants || index != 0 || neap__grants_has(grants, NEAP__GRANT_INPUT))
    return true;
  *number = neap__grants_refuse(grants, "input would allow it");
  return false;
}

/* Makes the descriptor that the program gets as 0, 1 or 2 (`index`); leaves
 * *theirs at -1 if none has to be made. */
static int make_stdio(const neap_process_opts *opts, int index,
                      neap__grants *grants, int *ours, int *theirs,
                      int *number) {
  switch (opts->stdio[index]) {
  case NEAP_STDIO_PIPE:
    return make_pipe(index, ours, theirs);
  case NEAP_STDIO_INHERIT:
    return may_inherit(grants, index, number) ? 0 : NEAP__REFUSED;
  case NEAP_STDIO_OUTPUT:
    return 0;
  default:
    *theirs = open_file(index, opts->stdio[index], opts->paths[index], grants,
                        number);
    return neap__sys_code_of(*theirs);
  }
}

/* Has the program get no descriptors from 3 on. */
#ifdef NEAP_HAS_ADDCLOSEFROM
static int close_others(posix_spawn_file_actions_t *actions) {
  return posix_spawn_file_actions_addclosefrom_np(actions, 3);
}
#else
/* None of those that are open now, that is: not one that another thread opens
 * meanwhile without O_CLOEXEC. */
static int close_others(posix_spawn_file_actions_t *actions) {
  DIR *folder = opendir("/proc/self/fd");
  if (!folder)
    return errno;
  int error = 0;
  const struct dirent *entry;
  while (error == 0 && (entry = readdir(folder))) {
    int fd = (int)strtol(entry->d_name, NULL, 10); /* 0 for "." and ".." */
    if (fd > 2 && fd != dirfd(folder))
      error = posix_spawn_file_actions_addclose(actions, fd);
    if (error == EBADF) /* beyond the limit that the process has by now */
      error = EMFILE;
  }
  closedir(folder);
  return error;
}
#endif

/* Adds what the child does before it becomes the program: it sets its
 * descriptors and its folder. */
static int add_actions(posix_spawn_file_actions_t *actions,
                       const neap_process_opts *opts, const int theirs[3],
                       int folder) {
  int error = 0;
  for (int i = 0; i < 3 && error == 0; i++)
    if (theirs[i] >= 0)
      error = posix_spawn_file_actions_adddup2(actions, theirs[i], i);
  if (error == 0 && opts->stdio[2] == NEAP_STDIO_OUTPUT)
    error = posix_spawn_file_actions_adddup2(actions, 1, 2);
  if (error == 0 && folder >= 0)
    error = posix_spawn_file_actions_addfchdir_np(actions, folder);
  /* The program should not inherit what the host has open without FD_CLOEXEC,
   * as files of io.open are: it would keep pipes of others open. */
  if (error == 0)
    error = close_others(actions);
  return error;
}

/* Signals are as a program expects them: none is blocked, and SIGPIPE ends it,
 * which many hosts ignore for the sake of their sockets. */
static int set_attributes(posix_spawnattr_t *attributes, bool grouped) {
  sigset_t none, pipe;
  sigemptyset(&none);
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  if (grouped)
    flags |= POSIX_SPAWN_SETPGROUP;
  int error = posix_spawnattr_setsigmask(attributes, &none);
  if (error == 0)
    error = posix_spawnattr_setsigdefault(attributes, &pipe);
  if (error == 0)
    error = posix_spawnattr_setflags(attributes, (short)flags);
  return error;
}

static int spawn(const neap_process_opts *opts, const int theirs[3], int folder,
                 pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int error = posix_spawn_file_actions_init(&actions);
  if (error != 0)
    return uv_translate_sys_error(error);
  error = posix_spawnattr_init(&attributes);
  if (error != 0)
    goto fail_attributes;
  error = add_actions(&actions, opts, theirs, folder);
  if (error == 0)
    error = set_attributes(&attributes, !opts->same_group);
  /* posix_spawn does not write to them, whatever its types say. */
  char *const *argv = (char *const *)opts->argv;
  char *const *env = opts->env ? (char *const *)opts->env : environ;
  if (error == 0)
    error = posix_spawnp(pid, argv[0], &actions, &attributes, argv, env);
  posix_spawnattr_destroy(&attributes);
fail_attributes:
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? 0 : uv_translate_sys_error(error);
}

/* Opens the folder to run in, so that its failure can be told from others. In a
 * restricted engine that is the first one that was granted, so that relative
 * paths are the same for programs. */
static int open_folder(const char *path, neap__grants *grants, int *folder,
                       int *number) {
  if (!path && grants && neap__grants_root(grants, ".", &path))
    path = ".";
  if (!path)
    return 0;
  *folder = open_path(grants, path, O_PATH | O_DIRECTORY | O_CLOEXEC, number);
  if (*folder < 0)
    return neap__sys_code();
  return neap__sys_code_of(faccessat(*folder, ".", X_OK, 0));
}

int neap__child_start(const neap_process_opts *opts, neap__grants *grants,
                      neap__child *child, neap_process_part *part,
                      int *number) {
  int theirs[3] = {-1, -1, -1}, folder = -1;
  *child = (neap__child){.pidfd = -1, .ends = {-1, -1, -1}};
  *part = NEAP_PROCESS_CWD;
  int code = open_folder(opts->cwd, grants, &folder, number);
  for (int i = 0; i < 3 && code == 0; i++) {
    *part = NEAP_PROCESS_STDIN + i;
    code = make_stdio(opts, i, grants, &child->ends[i], &theirs[i], number);
  }
  if (code == 0) {
    *part = NEAP_PROCESS_PROGRAM;
    code = spawn(opts, theirs, folder, &child->pid);
  }
  if (code == 0) {
    child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    if (child->pidfd < 0) {
      code = neap__sys_code();
      kill(opts->same_group ? child->pid : -child->pid, SIGKILL);
      waitpid(child->pid, NULL, 0);
    }
  }
  close_fd(&folder);
  for (int i = 0; i < 3; i++) {
    close_fd(&theirs[i]);
    if (code < 0)
      close_fd(&child->ends[i]);
  }
  return code;
}
