/* How much a restricted engine has open at a time.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_BOUNDS_H
#define NEAP_IO_BOUNDS_H

#include "loop/engine.h"

/* Whether `more` descriptors may be opened besides those that are open; if not,
 * notes the refusal in *number. Always in an engine that is not restricted. */
bool neap__bounds_admit(neap_engine *engine, size_t more, int *number);

/* The same for a temporary file or directory. */
bool neap__bounds_admit_temporary(neap_engine *engine, int *number);

/* Notes that a temporary directory has been made at a path. It counts until it
 * is gone. */
void neap__bounds_note_dir(neap_engine *engine, const char *path);

#endif
