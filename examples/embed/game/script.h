/* neap in the game: all that a game has to do with it is behind these few
 * functions. SPDX-License-Identifier: MIT */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

enum { SCRIPT_NODES = 16 };

/* What is shown of the flows. */
typedef struct script_state {
  int loads;       /* how often the file has been loaded well */
  char error[400]; /* the last one, of loading or of a flow; "": none */
  bool cut_short;  /* the last slice has preempted a flow */
  unsigned long ended, failed; /* flows */
  double megabytes;            /* that neap uses, Lua included */
  struct {
    char name[16];
    int people; /* who are at this node now */
  } nodes[SCRIPT_NODES];
} script_state;

extern script_state script;

/* Loads the file with the flow of the people, and starts it for each of them.
 * False when that cannot be done; `script.error` says why. */
bool script_open(const char *path, unsigned seed);

/* A frame: gives neap a slice of at most `budget_ns`, in which `seconds` of the
 * game's time pass. */
void script_frame(double seconds, uint64_t budget_ns);

/* Loads the file again if it has changed, or in any case. When it has a
 * mistake, the flow that there is goes on. */
void script_reload(bool in_any_case);

/* A person has come to the end of a way. */
void script_arrived(int who);

/* Starts a flow that computes without an end. */
void script_hog(void);

void script_close(void);

#endif
