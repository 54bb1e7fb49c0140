/* Finding and loading the parts of neap that are libraries of their own.
 * SPDX-License-Identifier: MIT */
#include "library.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

/* Where a library may be, seen from the folder of the engine or of the program:
 * beside it, or as in bin/ and lib/neap/. */
static const char *const places[] = {
    "/",
    "/../lib/neap/",
    "/../../../neap/", /* of lib/lua/5.4/neap/core.so */
    "/neap/",
};
enum { PLACES = sizeof places / sizeof *places, CANDIDATES = 2 * PLACES + 1 };

int neap__library_check(const void *found, const char *path, char *why) {
  const char *version = *(const char *const *)found;
  if (strcmp(version, NEAP_VERSION) == 0)
    return 0;
  snprintf(why, NEAP__LIBRARY_WHY_SIZE, "%s is of neap %s, the engine of %s",
           path, version, NEAP_VERSION);
  return NEAP_ENOLIB;
}

/* Opens one file and checks that its version is the engine's. */
static int open_library(const neap__library *library, const char *path,
                        const void **out, char *why) {
  uv_lib_t file;
  void *symbol;
  if (uv_dlopen(path, &file) < 0 ||
      uv_dlsym(&file, library->symbol, &symbol) < 0) {
    snprintf(why, NEAP__LIBRARY_WHY_SIZE, "%s", uv_dlerror(&file));
    uv_dlclose(&file);
    return NEAP_ENOLIB;
  }
  int status = neap__library_check(symbol, path, why);
  if (status < 0) {
    uv_dlclose(&file);
    return status;
  }
  *out = symbol;
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
static bool candidate(const neap__library *library, size_t index,
                      char path[PATH_MAX]) {
  char folder[PATH_MAX];
  if (index == CANDIDATES - 1)
    return snprintf(path, PATH_MAX, "%s/%s", NEAP_LIBRARY_DIR, library->file) <
           PATH_MAX;
  bool known = index < PLACES ? engine_folder(folder) : program_folder(folder);
  return known && snprintf(path, PATH_MAX, "%s%s%s", folder,
                           places[index % PLACES], library->file) < PATH_MAX;
}

/* Appends text to a sentence, as far as there is room. */
static void add(char *why, const char *text) {
  size_t size = strlen(why);
  snprintf(why + size, NEAP__LIBRARY_WHY_SIZE - size, "%s", text);
}

/* Opens the first candidate that exists. If there is none, the system searches
 * for the library. */
static int find_library(const neap__library *library, const void **out,
                        char *why) {
  char path[PATH_MAX];
  for (size_t i = 0; i < CANDIDATES; i++) {
    if (candidate(library, i, path) && access(path, F_OK) == 0)
      return open_library(library, path, out, why);
  }
  char words[NEAP__LIBRARY_WHY_SIZE];
  if (open_library(library, library->file, out, words) == 0)
    return 0;
  snprintf(why, NEAP__LIBRARY_WHY_SIZE, "%s is not at ", library->what);
  for (size_t i = 0; i < CANDIDATES; i++) {
    if (!candidate(library, i, path))
      continue;
    add(why, path);
    add(why, ", ");
  }
  add(why, "nor where the system looks: ");
  add(why, words);
  return NEAP_ENOLIB;
}

int neap__library_find(const neap__library *library, const char *path,
                       const void **out, char *why) {
  return path ? open_library(library, path, out, why)
              : find_library(library, out, why);
}
