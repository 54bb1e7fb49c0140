/* Status codes, and the codes of the system behind them.
 * SPDX-License-Identifier: MIT */
#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "neap.h"

const char *neap_version(void) {
  return NEAP_VERSION;
}

uint32_t neap_version_number(void) {
  return NEAP_VERSION_NUMBER;
}

const char *neap_status_name(int status) {
  switch (status) {
#define NAME(name, code, text)                                                 \
  case code:                                                                   \
    return #name;
    NEAP_STATUS_MAP(NAME)
#undef NAME
  }
  return "EUNKNOWN";
}

const char *neap_status_text(int status) {
  switch (status) {
#define TEXT(name, code, text)                                                 \
  case code:                                                                   \
    return text;
    NEAP_STATUS_MAP(TEXT)
#undef TEXT
  }
  return "unknown status";
}

int neap__sys_fail(int error) {
  errno = error;
  return -1;
}

int neap__sys_code(void) {
  return uv_translate_sys_error(errno);
}

int neap__sys_code_of(int result) {
  return result < 0 ? neap__sys_code() : 0;
}

int neap__sys_status(int code) {
  if (code >= 0)
    return 0;
  if (code == NEAP__REFUSED)
    return NEAP_EPERM;
  return code == UV_ENOMEM ? NEAP_ENOMEM : NEAP_ESYS;
}

void neap__sys_close(int fd) {
  int error = errno;
  if (fd >= 0)
    close(fd);
  errno = error;
}

/* The C library's name and sentence for an error; NULL where it has none. */
#ifdef NEAP_HAS_STRERRORNAME
static const char *name_of(int number) {
  return strerrorname_np(number);
}

static const char *sentence_of(int number) {
  return strerrordesc_np(number);
}
#else
static const char *name_of(int number) {
  (void)number;
  return NULL;
}

static const char *sentence_of(int number) {
  (void)number;
  return NULL;
}
#endif

/* Adds how many files the process may have open, and what says so. */
static void tell_limit(char *text, size_t size) {
  struct rlimit files;
  size_t length = strlen(text);
  if (getrlimit(RLIMIT_NOFILE, &files) == 0)
    snprintf(text + length, size - length, ": the limit is %llu (ulimit -n)",
             (unsigned long long)files.rlim_cur);
}

/* libuv has no names for codes that it expects of nothing it does (ECHILD);
 * then the C library's. */
void neap_sys_describe(int detail, char *name, size_t name_size, char *text,
                       size_t text_size) {
  char found[48];
  uv_err_name_r(detail, found, sizeof found);
  bool known = strncmp(found, "Unknown", 7) != 0;
  const char *others_name = known ? NULL : name_of(-detail);
  if (name && name_size > 0)
    snprintf(name, name_size, "%s", others_name ? others_name : found);
  if (!text || text_size == 0)
    return;
  /* libuv's sentence is "illegal operation on a directory". */
  if (detail == UV_EISDIR)
    snprintf(text, text_size, "is a directory");
  else if (others_name)
    snprintf(text, text_size, "%s", sentence_of(-detail));
  else
    uv_strerror_r(detail, text, text_size);
  if (detail == UV_EMFILE)
    tell_limit(text, text_size);
}
