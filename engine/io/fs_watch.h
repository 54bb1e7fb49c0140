/* Watching files and directories for changes.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_FS_WATCH_H
#define NEAP_IO_FS_WATCH_H

#include "neap.h"

/* Begins to close all watches, and forgets their operations. The watches still
 * belong to their owners, who can only free them from now on. */
void neap__watches_close(neap_engine *engine);

/* Ends all watches in the child of a fork: what tells of changes is the
 * parent's. */
void neap__watches_disown(neap_engine *engine);

#endif
