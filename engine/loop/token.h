/* Tokens: numbers by which any thread sends word to an engine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_LOOP_TOKEN_H
#define NEAP_LOOP_TOKEN_H

#include "neap.h"

typedef enum neap__token_kind {
  NEAP__TOKEN_PHASE = 1, /* of a phase that goes on */
  NEAP__TOKEN_RUN,
} neap__token_kind;

/* Whom a token stands for: part of a struct of its owner's. */
typedef struct neap__addressee {
  neap_token token; /* 0: it has none */
  /* Called once, in the thread of the engine, when word has come. It may do no
   * more than make operations ready. */
  void (*arrive)(struct neap__addressee *to, int status);
} neap__addressee;

int neap__tokens_open(neap_engine *engine);
void neap__tokens_close(neap_engine *engine);

/* Gives an addressee a token; NEAP_ENOMEM. */
int neap__token_open(neap_engine *engine, neap__addressee *to,
                     neap__token_kind kind);

/* Makes its token stale, if it has one; word that is under way is lost. */
void neap__token_close(neap_engine *engine, neap__addressee *to);

/* Sends word by a token, from any thread. The first word counts: further ones
 * are ignored as long as the token is not stale. Returns 0, NEAP_ESTALE, or
 * NEAP_EINVAL when the token is of another kind. */
int neap__token_send(neap_engine *engine, neap_token token,
                     neap__token_kind kind, int status);

/* Hands on the word that has come. */
void neap__tokens_receive(neap_engine *engine);

#endif
