/* Finds and loads the HTTP library.
 * SPDX-License-Identifier: MIT */
#include "load.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "gate.h"
#include "grants/grants.h"
#include "library.h"
#include "loop/engine.h"
#include "loop/op.h"

/* A program may have linked the archive of the library. Else this is NULL. */
#pragma weak neap__http_library

#define LIBRARY "libneap_http.so"

/* Where the library may be, seen from the folder of the engine or of the
 * program: beside it, or as in bin/ and lib/neap/. */
static const char *const places[] = {
    "/" LIBRARY,
    "/../lib/neap/" LIBRARY,
    "/../../../neap/" LIBRARY, /* of lib/lua/5.4/neap/core.so */
    "/neap/" LIBRARY,
};
enum { PLACES = sizeof places / sizeof *places, CANDIDATES = 2 * PLACES + 1 };

/* Checks that a library's version is the engine's. */
static int check_version(const neap__http_api *api, const char *path,
                         char why[NEAP__HTTP_WHY_SIZE]) {
  if (strcmp(api->version, NEAP_VERSION) == 0)
    return 0;
  snprintf(why, NEAP__HTTP_WHY_SIZE, "%s is of neap %s, the engine of %s", path,
           api->version, NEAP_VERSION);
  return NEAP_ENOLIB;
}

/* Opens one file and checks that its version is the engine's. The library is
 * never closed again: a thread of libcurl may still look up a name, and
 * curl_global_cleanup would concern the whole process. */
static int open_library(const char *path, const neap__http_api **out,
                        char why[NEAP__HTTP_WHY_SIZE]) {
  uv_lib_t library;
  void *symbol;
  if (uv_dlopen(path, &library) < 0 ||
      uv_dlsym(&library, NEAP__HTTP_SYMBOL, &symbol) < 0) {
    snprintf(why, NEAP__HTTP_WHY_SIZE, "%s", uv_dlerror(&library));
    uv_dlclose(&library);
    return NEAP_ENOLIB;
  }
  const neap__http_api *api = symbol;
  int status = check_version(api, path, why);
  if (status < 0) {
    uv_dlclose(&library);
    return status;
  }
  *out = api;
  return 0;
}

/* The folder of the file that holds the engine; false when unknown. */
static bool engine_folder(char folder[PATH_MAX]) {
  Dl_info info;
  if (!dladdr(places, &info) || !info.dli_fname ||
      !realpath(info.dli_fname, folder))
    return false;
  *strrchr(folder, '/') = '\0';
  return true;
}

/* The folder of the program. dladdr knows a program only by the name that it
 * was started with, which need not be a path. */
static bool program_folder(char folder[PATH_MAX]) {
  size_t size = PATH_MAX;
  char *slash;
  if (uv_exepath(folder, &size) < 0 || !(slash = strrchr(folder, '/')))
    return false;
  *slash = '\0';
  return true;
}

/* Writes the path of the candidate at `index`; false when it has none. */
static bool candidate(size_t index, char path[PATH_MAX]) {
  char folder[PATH_MAX];
  if (index == CANDIDATES - 1) {
    snprintf(path, PATH_MAX, "%s", NEAP_LIBRARY_DIR "/" LIBRARY);
    return true;
  }
  bool known = index < PLACES ? engine_folder(folder) : program_folder(folder);
  return known && snprintf(path, PATH_MAX, "%s%s", folder,
                           places[index % PLACES]) < PATH_MAX;
}

/* Appends text to a sentence, as far as there is room. */
static void add(char why[NEAP__HTTP_WHY_SIZE], const char *text) {
  size_t size = strlen(why);
  snprintf(why + size, NEAP__HTTP_WHY_SIZE - size, "%s", text);
}

/* Takes the library that the program has linked, or opens the first candidate
 * that exists. If there is none, the system searches for the library. */
static int find_library(const neap__http_api **out,
                        char why[NEAP__HTTP_WHY_SIZE]) {
  char path[PATH_MAX];
  if (&neap__http_library) {
    *out = &neap__http_library;
    return check_version(*out, "the HTTP library that is linked", why);
  }
  for (size_t i = 0; i < CANDIDATES; i++) {
    if (candidate(i, path) && access(path, F_OK) == 0)
      return open_library(path, out, why);
  }
  char words[NEAP__HTTP_WHY_SIZE];
  if (open_library(LIBRARY, out, words) == 0)
    return 0;
  add(why, "the HTTP library is not at ");
  for (size_t i = 0; i < CANDIDATES; i++) {
    if (!candidate(i, path))
      continue;
    add(why, path);
    add(why, ", ");
  }
  add(why, "nor where the system looks: ");
  add(why, words);
  return NEAP_ENOLIB;
}

int neap__http_find(const char *path, const neap__http_api **out,
                    char why[NEAP__HTTP_WHY_SIZE]) {
  return path ? open_library(path, out, why) : find_library(out, why);
}

int neap__http_open(neap_engine *engine, const neap__http_api *api,
                    neap__http **out) {
  neap__http_host host = {
      .engine = engine,
      .uv = &engine->uv,
      .alloc = engine->alloc,
      .begin = neap__op_begin_io,
      .finish = neap__op_finish,
      .gate = engine->grants ? &neap__http_gate_of_grants : NULL,
      .max_connections = engine->grants ? engine->grants->max_descriptors : 0,
  };
  return api->open(&host, out);
}

void neap__http_close(neap__http *http) {
  if (http)
    http->api->close(http);
}

void neap__http_free(neap__http *http) {
  if (http)
    http->api->free(http);
}

void neap__http_disown(neap__http *http) {
  if (http)
    http->api->disown(http);
}
