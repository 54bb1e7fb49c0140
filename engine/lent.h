/* An engine on a loop of the host's.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_LENT_H
#define NEAP_LENT_H

#include "neap.h"

/* Puts handles on `loop` that tell the host when a slice is wanted. NEAP_ENOMEM
 * or NEAP_ESYS leaves nothing there. */
int neap__lent_open(neap_engine *engine, struct uv_loop_s *loop);

/* Begins to close them, if there are any. Their memory lives on until `loop`
 * has called their close callbacks; the engine need not. */
void neap__lent_close(neap_engine *engine);

/* Leaves the host's loop alone in the child of a fork. */
void neap__lent_disown(neap_engine *engine);

#endif
