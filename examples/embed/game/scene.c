/* The picture of the town: the ground once, all else in each frame, from back
 * to front. SPDX-License-Identifier: MIT */
#include "scene.h"

#include <stdlib.h>
#include <string.h>

#include "canvas.h"
#include "town.h"

enum { TREES = 34, THINGS = PEOPLE + HOUSES + STALLS + TREES + 1 };

static color ground[WIDTH * HEIGHT];
static area trees[TREES]; /* where they stand */

static const color roofs[] = {0xc8553d, 0xb98a3d, 0x5b7b9a, 0x9a5b6e, 0x6f8a5b};

/* ---- The ground ---------------------------------------------------------- */

/* Scatters spots of a colour over an area, so that it is not one flat colour.
 */
static void scatter(area a, int count, int width, color c) {
  while (count-- > 0)
    fill(a.x + (int)town_random((unsigned)(a.width - width)),
         a.y + (int)town_random((unsigned)a.height), width, 1, c);
}

static void road(int x, int y, int width, int height) {
  fill(x - 1, y - 1, width + 2, height + 2, 0xb99b6b);
  fill(x, y, width, height, 0xdcc594);
  scatter((area){x, y, width, height}, width * height / 40, 3, 0xcfb682);
}

static void field(int x, int y, color crop) {
  fill(x, y, 40, 32, 0x8a6142);
  for (int row = 0; row < 5; row++) {
    fill(x + 2, y + 5 + 6 * row, 36, 1, 0x73502f);
    for (int i = 0; i < 9; i++) {
      fill(x + 3 + 4 * i, y + 2 + 6 * row, 2, 3, 0x5d8f3a);
      fill(x + 3 + 4 * i, y + 2 + 6 * row, 2, 1, crop);
    }
  }
}

static void square(void) {
  fill(141, 119, 102, 67, 0x9d9388);
  for (int y = 120; y < 185; y += 5)
    for (int x = 142; x < 242; x += 10) {
      int shift = y / 5 % 2 * 5, left = x + shift;
      int width = left + 9 > 242 ? 242 - left : 9;
      static const color stones[] = {0xcfc6b8, 0xc6bcad, 0xd6cec1, 0xc9c1b4};
      fill(left, y, width, 4, stones[town_random(4)]);
    }
}

static void shore(void) {
  fill(0, 254, TOWN_WIDTH, 66, 0xecd9a3);
  scatter((area){0, 256, TOWN_WIDTH, 14}, 160, 2, 0xdcc68c);
  for (int x = 0; x < TOWN_WIDTH; x++) {
    int dip = x / 16 % 3 - x / 40 % 2;
    fill(x, 252 + dip / 2, 1, 2, 0xecd9a3);
    fill(x, 270 + dip, 1, 3, 0xbfe0e2);
    fill(x, 273 + dip, 1, 10, 0x5ba3c7);
    fill(x, 283 + dip, 1, 50, 0x4a8fb8);
  }
}

static void pier(void) {
  tint(98, 274, 18, 42, 0x1f3f5a, 110);
  fill(96, 264, 16, 48, 0x8a5a3b);
  for (int y = 264; y < 312; y += 3)
    fill(97, y, 14, 2, y % 2 ? 0xb07a50 : 0xa8724a);
  for (int y = 270; y < 316; y += 14) {
    fill(95, y, 2, 5, 0x5e3c28);
    fill(111, y, 2, 5, 0x5e3c28);
  }
}

void scene_begin(void) {
  fill(0, 0, TOWN_WIDTH, HEIGHT, 0x8fbc62);
  scatter((area){0, 0, TOWN_WIDTH, 256}, 900, 2, 0x9cc86e);
  scatter((area){0, 0, TOWN_WIDTH, 256}, 700, 1, 0x77a64e);
  for (int i = 0; i < 60; i++) {
    static const color flowers[] = {0xf5e6a8, 0xf3b6c0, 0xffffff};
    fill((int)town_random(TOWN_WIDTH), (int)town_random(250), 1, 1,
         flowers[i % 3]);
  }
  shore();
  road(0, 92, TOWN_WIDTH, 12);
  road(0, 203, TOWN_WIDTH, 13);
  road(186, 0, 13, 252);
  road(98, 216, 12, 50);
  fill(187, 90, 11, 16, 0xdcc594);
  fill(187, 202, 11, 15, 0xdcc594);
  fill(99, 214, 10, 52, 0xdcc594);
  square();
  pier();
  for (int i = 0; i < 4; i++)
    field(290 + i % 2 * 46, 12 + i / 2 * 38, i % 3 ? 0xe8c547 : 0xd96b52);
  for (int r = 14; r > 11; r--) /* the pond, with sand around it */
    disc(62, 154, r, r > 12 ? 0xd9cf98 : 0x5ba3c7, 256);
  disc(60, 152, 7, 0x6fb6d6, 256);
  memcpy(ground, canvas, sizeof ground);
  for (int i = 0; i < TREES;
       i++) { /* in the park, along roads, by the fields */
    int x = i < 16 ? 6 + (int)town_random(116) : 276 + (int)town_random(100);
    int y = i < 16 ? 116 + (int)town_random(78) : 108 + (int)town_random(2);
    if (i >= 20)
      x = i < 27 ? 214 + 6 * (i - 20) : 6 + 18 * (i - 27);
    if (i >= 20)
      y = i < 27 ? 198 - i % 2 * 4 : 52 + i % 2 * 3;
    bool wet = abs(x - 62) < 18 && abs(y - 150) < 16;
    trees[i] = (area){wet ? x + 34 : x, y, 0, 0};
  }
}

/* ---- What stands and walks on it ----------------------------------------- */

static void draw_house(int index) {
  area h = houses[index];
  color roof = roofs[index * 3 % 5], dark = mix(roof, 0x2a1f2d, 90);
  tint(h.x + 3, h.y + 20, h.width, 6, 0x1f2b1a, 90);
  fill(h.x + 2, h.y + 10, 22, 14, 0x4a3b38); /* an outline, then the wall */
  fill(h.x + 3, h.y + 10, 20, 13, 0xf2e6cf);
  fill(h.x + 3, h.y + 11, 20, 2, 0xcdbb9f);
  fill(h.x, h.y + 1, 26, 10, dark);
  for (int row = 0; row < 9; row++)
    fill(h.x + 1, h.y + 2 + row, 24, 1, row % 3 == 2 ? dark : roof);
  fill(h.x + 1, h.y + 2, 24, 1, mix(roof, 0xffffff, 70));
  fill(h.x + 18, h.y - 2, 4, 6, 0x7a5a50);
  fill(h.x + 11, h.y + 15, 5, 9, 0x6b4530);
  fill(h.x + 14, h.y + 19, 1, 1, 0xe8c547);
  for (int x = 5; x <= 18; x += 13) {
    fill(h.x + x, h.y + 14, 4, 5, 0x6b4530);
    fill(h.x + x + 1, h.y + 15, 2, 3, 0x9fc4d4);
  }
}

static void draw_stall(int index) {
  static const color cloths[] = {0xd9534a, 0x3f87b5, 0xe0a33a, 0x5f9e58};
  static const color goods[] = {0xe8c547, 0xd96b52, 0x9fc4d4, 0xb07a50};
  area s = stalls[index];
  tint(s.x + 1, s.y + 15, s.width, 5, 0x1f2b1a, 80);
  fill(s.x + 1, s.y + 6, 1, 12, 0x5e3c28);
  fill(s.x + 18, s.y + 6, 1, 12, 0x5e3c28);
  fill(s.x + 1, s.y + 12, 18, 5, 0x8a5a3b);
  for (int i = 0; i < 8; i++)
    fill(s.x + 2 + 2 * i, s.y + 10 + i % 2, 2, 2, goods[(index + i / 2) % 4]);
  for (int x = 0; x < s.width; x++) {
    color c = x / 4 % 2 ? 0xf6efe2 : cloths[index];
    fill(s.x + x, s.y, 1, 7, c);
    fill(s.x + x, s.y + 6, 1, x / 4 % 2 ? 1 : 2, mix(c, 0x2a1f2d, 60));
  }
}

static void draw_tree(int index) {
  area t = trees[index];
  tint(t.x - 5, t.y - 1, 11, 3, 0x1f2b1a, 80);
  fill(t.x - 1, t.y - 6, 2, 7, 0x6b4530);
  disc(t.x, t.y - 10, 6, 0x3d6b39, 256);
  disc(t.x - 1, t.y - 11, 5, index % 3 ? 0x4f8544 : 0x5b9150, 256);
  disc(t.x - 2, t.y - 13, 2, 0x74a85c, 256);
}

static void draw_fountain(unsigned frame) {
  area f = fountain;
  int x = f.x + f.width / 2, y = f.y + f.height / 2 + 2;
  disc(x, y + 1, 11, 0x7d756c, 256);
  disc(x, y, 10, 0xb8afa3, 256);
  disc(x, y, 8, 0x5ba3c7, 256);
  fill(x - 1, y - 8, 3, 9, 0xb8afa3);
  fill(x - 3, y - 9, 7, 2, 0xd6cec1);
  for (unsigned i = 0; i < 6; i++) {
    int t = (int)((frame / 4 + i * 3) % 9), way = i % 2 ? t : -t;
    fill(x + way * 2 / 3, y - 11 + t * t / 7, 1, 1, 0xe6f5fa);
  }
}

/* Hair or hat h, skin s, clothes c and d, legs l. */
static const char *const grown[2][9] = {
    {" hhh ", " hss ", " sss ", "ccccc", "ccccc", "sdcds", " ccc ", " l l ",
     " l l "},
    {" hhh ", " hss ", " sss ", "ccccc", "ccccc", "sdcds", " ccc ", " ll  ",
     "l  l "}};
static const char *const small[2][7] = {
    {"hhh", "hss", "ccc", "ccc", "scs", "l l", "l l"},
    {"hhh", "hss", "ccc", "ccc", "scs", "ll ", "  l"}};
static const char *const hats[TRADES][2] = {[FISHER] = {" hhh ", "hhhhh"},
                                            [FARMER] = {"  h  ", "hhhhh"},
                                            [GUARD] = {"  h  ", " hhh "},
                                            [BAKER] = {" hhh ", " hhh "}};

static void draw_person(const person *p, unsigned frame) {
  static const color hair[] = {0x3b2a22, 0x6b4423, 0xa8642c,
                               0xd8b25a, 0x2b2530, 0x8d8a88};
  static const color skin[] = {0xf3cfae, 0xe0ac84, 0xb87d55, 0x8a5a3b};
  static const color clothes[TRADES][3] = {{0x2f6690, 0x3a7ca5, 0x27536f},
                                           {0x7a8b3c, 0x9a7b3f, 0x5f7f4a},
                                           {0xe0637c, 0xf2a541, 0x8e6bbf},
                                           {0x8c2f39, 0x8c2f39, 0x7a2833},
                                           {0xeae2d6, 0xd8cdbd, 0xe3d3c4}};
  static const color hat[TRADES] = {0xf2c83f, 0xe6cf8b, 0, 0xb9c0c9, 0xffffff};
  color palette[26] = {0};
  color cloth = clothes[p->trade][p->look % 3];
  palette['h' - 'a'] = hair[p->look / 4 % 6];
  palette['s' - 'a'] = skin[p->look / 32 % 4];
  palette['c' - 'a'] = cloth;
  palette['d' - 'a'] = mix(cloth, 0x2a1f2d, 80);
  palette['l' - 'a'] = 0x3b3444;
  bool is_child = p->trade == CHILD;
  int pose = p->walks ? (int)(frame / 6 + (unsigned)p->look) % 2 : 0;
  int x = (int)p->x - 2, y = (int)p->y - (is_child ? 7 : 9);
  tint(x, (int)p->y - 1, is_child ? 4 : 6, 2, 0x1f2b1a, 100);
  if (is_child) {
    sprite(x, y, small[pose], 7, !p->looks_left, palette);
    return;
  }
  sprite(x, y, grown[pose], 9, p->looks_left, palette);
  palette['h' - 'a'] = hat[p->trade];
  sprite(x, y - 1, hats[p->trade], 2, false, palette);
}

/* ---- From back to front -------------------------------------------------- */

typedef struct thing {
  int y, kind, index;
} thing;

static int by_y(const void *a, const void *b) {
  const thing *one = a, *other = b;
  return one->y != other->y ? one->y - other->y : one->index - other->index;
}

static void draw_things(unsigned frame) {
  static thing things[THINGS];
  int count = 0;
  for (int i = 0; i < HOUSES; i++)
    things[count++] = (thing){houses[i].y + houses[i].height, 0, i};
  for (int i = 0; i < STALLS; i++)
    things[count++] = (thing){stalls[i].y + stalls[i].height, 1, i};
  for (int i = 0; i < TREES; i++)
    things[count++] = (thing){trees[i].y, 2, i};
  things[count++] = (thing){fountain.y + fountain.height - 2, 3, 0};
  for (int i = 0; i < PEOPLE; i++)
    if (!people[i].is_inside)
      things[count++] = (thing){(int)people[i].y, 4, i};
  qsort(things, (size_t)count, sizeof *things, by_y);
  for (int i = 0; i < count; i++)
    switch (things[i].kind) {
    case 0:
      draw_house(things[i].index);
      break;
    case 1:
      draw_stall(things[i].index);
      break;
    case 2:
      draw_tree(things[i].index);
      break;
    case 3:
      draw_fountain(frame);
      break;
    default:
      draw_person(&people[things[i].index], frame);
    }
}

static void draw_waves(unsigned frame) {
  for (int i = 0; i < 26; i++) {
    int x = i * 67 % TOWN_WIDTH, y = 280 + i * 29 % 38;
    int drift = (int)(frame / 20 + (unsigned)i * 5) % 12;
    if (x + drift < 92 || x + drift > 112)
      fill(x + drift, y, 5 - drift / 3, 1, 0x6fb6d6);
  }
}

static void draw_boat(int x, int y, color sail, unsigned frame) {
  y += (int)(frame / 40 + (unsigned)x) % 2;
  tint(x - 1, y + 5, 24, 2, 0x1f3f5a, 110);
  fill(x, y, 22, 2, 0x8a5a3b);
  fill(x + 1, y + 2, 20, 2, 0x7a4c30);
  fill(x + 3, y + 4, 16, 1, 0x5e3c28);
  fill(x + 10, y - 18, 1, 18, 0x5e3c28);
  for (int row = 0; row < 14; row++)
    fill(x + 11, y - 17 + row, 1 + row * 2 / 3, 1, sail);
}

/* ---- Light, and words ---------------------------------------------------- */

static color light(float hour) {
  static const struct {
    float hour;
    color c;
  } keys[] = {{0, 0x5f68a6},  {5, 0x5f68a6},     {6.5F, 0xe8b8b0},
              {8, 0xffffff},  {16.5F, 0xffffff}, {18.5F, 0xffcf9f},
              {20, 0x9a84b4}, {21.5F, 0x5f68a6}, {24, 0x5f68a6}};
  int i = 1;
  while (keys[i].hour < hour)
    i++;
  float part = (hour - keys[i - 1].hour) / (keys[i].hour - keys[i - 1].hour);
  return mix(keys[i - 1].c, keys[i].c, (int)(part * 256));
}

static void draw_windows(float hour) {
  for (int i = 0; i < HOUSES; i++) {
    float off = 22.5F + (float)(i * 7 % 10) / 4,
          on = 18 + (float)(i * 3 % 8) / 4;
    if (hour < on || hour > off)
      continue;
    for (int x = 6; x <= 19; x += 13) {
      fill(houses[i].x + x, houses[i].y + 15, 2, 3, 0xffd97a);
      disc(houses[i].x + x + 1, houses[i].y + 17, 5, 0xffc860, 36);
    }
  }
}

/* Draws the words of a person, if no others are there: false. */
static bool draw_words(const person *p, area *taken, int count) {
  int width = text_width(p->says) + 6;
  int x = (int)p->x - width / 2, y = (int)p->y - 25;
  x = x < 1 ? 1 : x + width >= TOWN_WIDTH ? TOWN_WIDTH - width - 1 : x;
  y = y < 1 ? 1 : y;
  for (int i = 0; i < count; i++)
    if (x <= taken[i].x + taken[i].width + 1 && taken[i].x <= x + width + 1 &&
        y <= taken[i].y + 15 && taken[i].y <= y + 15)
      return false;
  taken[count] = (area){x, y, width, 12};
  tint(x + 1, y + 1, width, 13, 0x1f2433, 90);
  fill(x, y + 1, width, 11, 0x3b3444);
  fill(x + 1, y, width - 2, 13, 0x3b3444);
  fill(x + 1, y + 1, width - 2, 11, 0xfffaf0);
  fill((int)p->x - 1, y + 12, 3, 1, 0xfffaf0);
  fill((int)p->x - 1, y + 13, 3, 1, 0x3b3444);
  fill((int)p->x, y + 13, 1, 1, 0xfffaf0);
  fill((int)p->x, y + 14, 1, 1, 0x3b3444);
  draw_text(x + 3, y + 3, p->says, 0x2a2430);
  return true;
}

static void draw_dots(const person *p) {
  int x = (int)p->x - 4, y = (int)p->y - 17;
  fill(x, y + 1, 9, 3, 0x3b3444);
  fill(x + 1, y, 7, 5, 0x3b3444);
  fill(x + 1, y + 1, 7, 3, 0xfffaf0);
  for (int i = 0; i < 3; i++)
    fill(x + 2 + 2 * i, y + 2, 1, 1, 0x3b3444);
}

static void draw_all_words(void) {
  enum { MOST = 14 };
  area taken[MOST];
  for (int i = 0; i < PEOPLE; i++)
    if (people[i].says[0] && !people[i].is_inside)
      draw_dots(&people[i]);
  for (int i = 0, count = 0; i < PEOPLE && count < MOST; i++)
    if (people[i].says[0] && !people[i].is_inside)
      count += draw_words(&people[i], taken, count);
}

void scene_draw(unsigned frame) {
  memcpy(canvas, ground, sizeof ground);
  draw_waves(frame);
  draw_boat(40, 296, 0xf6efe2, frame);
  draw_boat(170, 300, 0xd9534a, frame);
  draw_boat(286, 290, 0xf2c83f, frame);
  draw_things(frame);
  float hour = town_hour();
  shade(light(hour));
  draw_windows(hour);
  draw_all_words();
}
