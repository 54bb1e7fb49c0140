/* Processes: programs that are started, waited for and ended.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_PROCESS_H
#define NEAP_IO_PROCESS_H

#include "neap.h"

/* Whether any operation waits for a process to end. */
bool neap__processes_awaited(const neap_engine *engine);

/* Lets go of all programs in the child of a fork, where they are none of its
 * children. */
void neap__processes_disown(neap_engine *engine);

#endif
