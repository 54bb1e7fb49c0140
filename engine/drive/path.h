/* Paths: where in its flows a run is, as text.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_DRIVE_PATH_H
#define NEAP_DRIVE_PATH_H

#include "neap.h"

/* Writes the path of the visit at a depth of a run, as snprintf does: always
 * terminated, and the length that it has in full is returned. */
size_t neap__path(const neap_run *run, uint32_t depth, char *bytes,
                  size_t size);

#endif
