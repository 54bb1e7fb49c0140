/* Watches: what changes in a folder, or at a path.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_FS_WATCH_H
#define NEAP_FS_WATCH_H

#include "neap.h"

/* Begins to close all watches, whose operations it forgets. They are their
 * owners' still, who can only free them from now on. */
void neap__watches_close(neap_engine *engine);

#endif
