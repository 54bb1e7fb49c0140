/* The town as a game engine would have it: who is where, what time it is. It
 * knows nothing of neap; script.c stands between the two.
 * SPDX-License-Identifier: MIT */
#ifndef TOWN_H
#define TOWN_H

#include <stdbool.h>

enum { PEOPLE = 300, HOUSES = 27, STALLS = 4 };

typedef enum trade { FISHER, FARMER, CHILD, GUARD, BAKER, TRADES } trade;

typedef struct area {
  int x, y, width, height;
} area;

typedef struct person {
  const char *name;
  trade trade;
  int look;         /* colours of hair, skin and clothes */
  int home;         /* index of a house */
  float x, y;       /* the feet */
  float to_x, to_y; /* where the person walks to */
  float detour;     /* along a wall: the side that was chosen, -1 or 1 */
  float patience;   /* dots to go along walls before walking through one */
  bool walks, is_inside, looks_left;
  char says[48];  /* "": nothing */
  float says_for; /* seconds */
} person;

extern person people[PEOPLE];
extern const area houses[HOUSES], stalls[STALLS], fountain;

/* Puts everybody at home, at eight in the morning of the first day. */
void town_begin(unsigned seed);

/* Time passes: people walk, words fade. `arrived` is called for each person who
 * has come to the end of a way. */
void town_step(float seconds, void (*arrived)(int who));

/* The time of day in hours, 0 to 24, and the number of the day. */
float town_hour(void);
int town_day(void);

/* Sends a person to a place: "home", or one of town.c. False when there is no
 * such place. */
bool town_send(int who, const char *place);
void town_say(int who, const char *text, float seconds);
/* The person next to this one who is outside, within 16 dots; -1: none. */
int town_near(int who);
/* Has two people look at each other. */
void town_face(int who, int other);
const char *town_trade(int who);

unsigned town_random(unsigned below);

#endif
