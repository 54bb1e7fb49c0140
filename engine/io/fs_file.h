/* Handles of open files.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_FS_FILE_H
#define NEAP_IO_FS_FILE_H

#include "neap.h"

/* Begins to close all open files, whose operations have been forgotten. The
 * handles still belong to their owners, who can only free them from now on. */
void neap__files_close(neap_engine *engine);

/* Closes the files of an engine in the child of a fork, without their
 * operations and without removing what is temporary. */
void neap__files_disown(neap_engine *engine);

#endif
