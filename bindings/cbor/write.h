/* How values are written in a pass.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_CBOR_WRITE_H
#define NEAP_BINDINGS_CBOR_WRITE_H

#include "encoder.h"

/* The slots of a pass: what it encodes, the classes by metatable, what was
 * saved of objects, a list for those of which nothing is saved yet, and the
 * names that are left out. */
enum {
  NEAPL_CBOR_ENCODER = 1,
  NEAPL_CBOR_VALUE,
  NEAPL_CBOR_CLASSES,
  NEAPL_CBOR_SAVED,
  NEAPL_CBOR_UNSAVED,
  NEAPL_CBOR_LEFT_OUT
};

/* Writes the value on top, the current member of `in`, which is `depth` tables
 * deep. Objects of which nothing is saved yet are noted in the encoder.
 * [-0, +0, v] */
void neapL_cbor_write(neapL_cbor_encoder *e, const neapL_json_place *in,
                      int depth);

#endif
