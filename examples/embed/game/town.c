/* The town: its map, and how people walk in it. SPDX-License-Identifier: MIT */
#include "town.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DAY_SECONDS 60.0F /* of a day of the town */

person people[PEOPLE];

const area houses[HOUSES] = {
    {8, 10, 26, 24},    {42, 10, 26, 24},   {76, 10, 26, 24},
    {110, 10, 26, 24},  {144, 10, 26, 24},  {212, 10, 26, 24},
    {246, 10, 26, 24},  {8, 60, 26, 24},    {42, 60, 26, 24},
    {76, 60, 26, 24},   {110, 60, 26, 24},  {144, 60, 26, 24},
    {212, 60, 26, 24},  {246, 60, 26, 24},  {266, 112, 26, 24},
    {304, 112, 26, 24}, {342, 112, 26, 24}, {266, 160, 26, 24},
    {304, 160, 26, 24}, {342, 160, 26, 24}, {8, 222, 26, 24},
    {48, 222, 26, 24},  {126, 222, 26, 24}, {214, 222, 26, 24},
    {254, 222, 26, 24}, {298, 222, 26, 24}, {340, 222, 26, 24},
};
const area stalls[STALLS] = {{150, 124, 20, 18},
                             {214, 124, 20, 18},
                             {150, 160, 20, 18},
                             {214, 160, 20, 18}};
const area fountain = {180, 138, 24, 22};

static const area pond = {50, 142, 25, 25};

enum { WALLS = HOUSES + STALLS + 2 };
static area walls[WALLS]; /* where nobody can walk */

#define SHORE 270.0F /* below it is water, but for the pier */

static const struct place {
  const char *name;
  area area;
} places[] = {
    {"square", {142, 122, 100, 62}}, {"market", {144, 122, 96, 64}},
    {"pier", {97, 270, 14, 38}},     {"beach", {10, 258, 360, 10}},
    {"field", {290, 14, 86, 72}},    {"park", {10, 108, 110, 82}},
    {"gate", {182, 2, 20, 50}},      {"road", {4, 202, 376, 14}},
};

static const char *const trade_names[TRADES] = {"fisher", "farmer", "child",
                                                "guard", "baker"};

static unsigned random_state;
static double age; /* seconds since midnight of the first day */

unsigned town_random(unsigned below) {
  random_state = random_state * 1664525U + 1013904223U;
  return (random_state >> 8) % below;
}

static void point_in(area a, float *x, float *y) {
  *x = (float)(a.x + (int)town_random((unsigned)a.width));
  *y = (float)(a.y + (int)town_random((unsigned)a.height));
}

static area door(int house) {
  area h = houses[house];
  return (area){h.x + 10, h.y + h.height + 1, 6, 2};
}

static void build_walls(void);

void town_begin(unsigned seed) {
  static const char *const names[] = {
      "Ada",  "Bo",   "Cleo", "Dag",  "Edda", "Finn", "Gro",  "Hal",
      "Ines", "Jan",  "Kaja", "Lars", "Mia",  "Nils", "Ole",  "Pia",
      "Runa", "Sven", "Tove", "Ulf",  "Vera", "Wim",  "Ylva", "Zoe"};
  random_state = seed * 2654435761U + 1;
  build_walls();
  age = DAY_SECONDS / 3;
  memset(people, 0, sizeof people);
  for (int who = 0; who < PEOPLE; who++) {
    person *p = &people[who];
    p->name = names[town_random(sizeof names / sizeof *names)];
    p->trade = (trade)(who * 7 % 20 < 6    ? FISHER
                       : who * 7 % 20 < 12 ? FARMER
                       : who * 7 % 20 < 16 ? CHILD
                       : who * 7 % 20 < 17 ? GUARD
                                           : BAKER);
    p->look = (int)town_random(1 << 12);
    p->home = who % HOUSES;
    point_in(door(p->home), &p->x, &p->y);
  }
}

float town_hour(void) {
  return (float)fmod(age * 24 / DAY_SECONDS, 24);
}

int town_day(void) {
  return 1 + (int)(age / DAY_SECONDS);
}

const char *town_trade(int who) {
  return trade_names[people[who].trade];
}

bool town_send(int who, const char *name) {
  person *p = &people[who];
  area to = door(p->home);
  if (strcmp(name, "home") != 0) {
    size_t i = 0, count = sizeof places / sizeof *places;
    while (i < count && strcmp(name, places[i].name) != 0)
      i++;
    if (i == count)
      return false;
    to = places[i].area;
  }
  point_in(to, &p->to_x, &p->to_y);
  p->walks = true;
  p->detour = 0;
  p->patience = 80;
  return true;
}

void town_say(int who, const char *text, float seconds) {
  snprintf(people[who].says, sizeof people[who].says, "%s", text);
  people[who].says_for = seconds;
}

int town_near(int who) {
  int nearest = -1;
  float least = 16 * 16;
  for (int other = 0; other < PEOPLE; other++) {
    float dx = people[other].x - people[who].x;
    float dy = people[other].y - people[who].y;
    if (other != who && !people[other].is_inside && dx * dx + dy * dy < least) {
      least = dx * dx + dy * dy;
      nearest = other;
    }
  }
  return nearest;
}

void town_face(int who, int other) {
  people[who].looks_left = people[other].x < people[who].x;
  people[other].looks_left = !people[who].looks_left;
}

/* ---- Walking ------------------------------------------------------------- */

static bool is_within(area a, float x, float y) {
  return x > (float)a.x && x < (float)(a.x + a.width) && y > (float)a.y &&
         y < (float)(a.y + a.height);
}

/* What stands on the ground takes less of it than of the picture. */
static area ground(area a) {
  return (area){a.x - 3, a.y + a.height - 9, a.width + 6, 10};
}

static void build_walls(void) {
  area *wall = walls;
  for (int i = 0; i < HOUSES; i++)
    *wall++ = ground(houses[i]);
  for (int i = 0; i < STALLS; i++)
    *wall++ = ground(stalls[i]);
  *wall++ = ground(fountain);
  *wall = pond;
}

/* What is in the way at this point, or NULL. */
static const area *wall_at(float x, float y) {
  for (int i = 0; i < WALLS; i++)
    if (is_within(walls[i], x, y))
      return &walls[i];
  return NULL;
}

/* A way along one side of what is in the way: towards the aim if that lies
 * beyond it, else by the nearer corner. */
static float side(float at, float aim, int from, int size) {
  if (aim < (float)from || aim > (float)(from + size))
    return aim < at ? -1 : 1;
  return at < (float)from + (float)size / 2 ? -1 : 1;
}

/* Goes `way` dots towards the aim, around what is in the way. True when the
 * person is there. */
static bool walk(person *p, float way) {
  float aim_x = p->to_x, aim_y = p->to_y;
  bool is_last = (p->y > SHORE) == (aim_y > SHORE);
  if (!is_last) { /* onto the pier, or off it, by its foot */
    bool is_at_foot = fabsf(p->x - 104) < 7 && p->y > SHORE - 4;
    aim_x = 104;
    aim_y = aim_y > SHORE && is_at_foot ? SHORE + 2 : SHORE - 2;
  }
  float dx = aim_x - p->x, dy = aim_y - p->y;
  float left = sqrtf(dx * dx + dy * dy);
  if (left <= way) {
    p->x = aim_x;
    p->y = aim_y;
    return is_last;
  }
  float step_x = dx / left * way, step_y = dy / left * way;
  const area *hit =
      p->patience > 0 ? wall_at(p->x + step_x, p->y + step_y) : NULL;
  if (!hit || wall_at(p->x, p->y)) {
    p->detour = 0;
  } else {
    area wall = *hit;
    bool beside = p->x <= (float)wall.x || p->x >= (float)(wall.x + wall.width);
    if (p->detour == 0)
      p->detour = beside ? side(p->y, aim_y, wall.y, wall.height)
                         : side(p->x, aim_x, wall.x, wall.width);
    p->patience -= way; /* between two walls one may go to and fro */
    step_x = beside ? 0 : p->detour * way;
    step_y = beside ? p->detour * way : 0;
  }
  if (fabsf(step_x) > way / 4)
    p->looks_left = step_x < 0;
  p->x += step_x;
  p->y += step_y;
  /* An aim within a wall is reached at the wall. */
  return left < 14 && hit && wall_at(p->to_x, p->to_y) == hit;
}

void town_step(float seconds, void (*arrived)(int who)) {
  age += seconds;
  for (int who = 0; who < PEOPLE; who++) {
    person *p = &people[who];
    p->says_for -= seconds;
    if (p->says_for <= 0)
      p->says[0] = '\0';
    float speed = p->trade == CHILD ? 44.0F : 34.0F;
    if (p->walks && walk(p, speed * seconds)) {
      p->walks = false;
      arrived(who);
    }
  }
}
