/* The functions of neap_store.h: stores, as hosts see them.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STORES_H
#define NEAP_STORES_H

#include "neap_store.h"

/* Closes the stores of an engine; or in the child of a fork lets go of them. */
void neap__stores_close(neap_engine *engine);
void neap__stores_disown(neap_engine *engine);

#endif
