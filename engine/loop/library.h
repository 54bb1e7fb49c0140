/* Finding and loading the parts of neap that are libraries of their own.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_LOOP_LIBRARY_H
#define NEAP_LOOP_LIBRARY_H

#include "neap.h"

/* The size of the buffer for what is wrong. */
#define NEAP__LIBRARY_WHY_SIZE 1024

/* A library that exports one struct, whose first field is a string: the version
 * of neap that it is of. It has to be the engine's, since both sides know the
 * same private structs. */
typedef struct neap__library {
  const char *file;   /* "libneap_http.so" */
  const char *symbol; /* the name of the struct */
  const char *what;   /* "the HTTP library" */
} neap__library;

/* Finds the struct of the library at `path`, or if that is NULL, beside the
 * engine or the program, where it was installed, or where the system looks.
 * From any thread. On failure, NEAP_ENOLIB, `why` has a sentence. The library
 * is never closed again: it may have threads, and state of the whole process.
 */
int neap__library_find(const neap__library *library, const char *path,
                       const void **out, char *why);

/* Checks the version of a struct that the program has linked; `path` stands for
 * its name in `why`. NEAP_ENOLIB. */
int neap__library_check(const void *found, const char *path, char *why);

#endif
