/* The panel: the time that neap takes, and what the flows do.
 * SPDX-License-Identifier: MIT */
#include "panel.h"

#include <inttypes.h>
#include <string.h>

#include "canvas.h"
#include "script.h"
#include "town.h"

enum { LEFT = TOWN_WIDTH + 6, RIGHT = WIDTH - 6, INNER = RIGHT - LEFT };

#define BACK  0x1f2433
#define BOX   0x2a3145
#define TEXT  0xe8ecf4
#define FAINT 0x8d97ad
#define GOOD  0x6fd08c
#define WARM  0xf2c14e
#define BAD   0xef6f6c

static void draw_right(int x, int y, const char *text, color c) {
  draw_text(x - text_width(text), y, text, c);
}

static void title(int y, const char *text, const char *right) {
  draw_text(LEFT, y, text, FAINT);
  draw_right(RIGHT, y, right, FAINT);
}

/* Each of the last frames is a column, from the left to now; a line marks the
 * budget. */
static void draw_last(const times *t, int y, int height, double budget_ms) {
  double most_ms = budget_ms * 1.25;
  fill(LEFT, y, INNER, height, BOX);
  fill(LEFT, y + height / 5, INNER, 1, 0x414b66);
  for (int i = 0; i < TIMES_LAST; i++) {
    float ms = t->last_ms[(t->frames + (unsigned)i) % TIMES_LAST];
    int bar = (int)(ms / most_ms * height + 0.5);
    bar = bar > height ? height : ms > 0 && bar < 1 ? 1 : bar;
    color c = ms > 16.7F ? BAD : ms > most_ms ? WARM : GOOD;
    fill(LEFT + i, y + height - bar, 1, bar, c);
  }
}

/* How many frames took how long, each step twice the last; the height of a bar
 * is the logarithm of their number, so that a single one is seen. */
static void draw_histogram(const times *t, int y, int height) {
  static const double limits[] = {0,   0.06, 0.12, 0.25, 0.5, 1.0,
                                  2.0, 4.0,  8.0,  16.7, 1e9};
  static const char *const labels[] = {NULL, ".1", NULL, ".5", "1",
                                       "2",  "4",  "8",  "16"};
  enum { BARS = 10, STEP = INNER / BARS };
  fill(LEFT, y, INNER, height, BOX);
  for (int i = 0; i < BARS; i++) {
    uint64_t count = times_between(t, limits[i], limits[i + 1]);
    int bar = 0;
    for (uint64_t n = count; n > 0; n /= 2)
      bar += 2;
    bar = bar > height - 2 ? height - 2 : bar;
    int x = LEFT + 3 + i * STEP;
    fill(x, y + height - bar, STEP - 2, bar,
         i < 6          ? GOOD
         : i < BARS - 1 ? WARM
                        : BAD);
    if (i < BARS - 1 && labels[i])
      draw_text(x + STEP - 1 - text_width(labels[i]) / 2, y + height + 3,
                labels[i], FAINT);
  }
}

static void draw_figure(int x, int y, const char *name, double ms) {
  char text[24];
  snprintf(text, sizeof text, ms < 9.995 ? "%.2f" : "%.1f", ms);
  draw_text(x, y, name, FAINT);
  draw_text(x, y + 10, text, TEXT);
}

/* How many people are at each node, the most first. */
static void draw_nodes(int y, int lines) {
  bool shown[SCRIPT_NODES] = {false};
  while (lines-- > 0) {
    int most = -1;
    for (int i = 0; i < SCRIPT_NODES; i++)
      if (!shown[i] && script.nodes[i].name[0] &&
          (most < 0 || script.nodes[i].people > script.nodes[most].people))
        most = i;
    if (most < 0)
      return;
    shown[most] = true;
    char text[16];
    int people_here = script.nodes[most].people;
    snprintf(text, sizeof text, "%d", people_here);
    int room = INNER - 66, bar = people_here * room / 150;
    draw_text(LEFT, y, script.nodes[most].name, TEXT);
    fill(LEFT + 46, y + 1, room, 5, BOX);
    fill(LEFT + 46, y + 1, bar > room ? room : bar, 5, 0x6fb6d6);
    draw_right(RIGHT, y, text, TEXT);
    y += 9;
  }
}

/* Draws a text over several lines, broken at spaces where there are any. */
static void draw_wrapped(int y, int lines, const char *text, color c) {
  while (*text && lines-- > 0) {
    char line[64];
    size_t size = 0, cut = 0;
    while (text[size] && text[size] != '\n' && size + 1 < sizeof line) {
      line[size] = text[size];
      line[size + 1] = '\0';
      if (text_width(line) > INNER)
        break;
      size++;
      if (text[size] == ' ' || !text[size] || text[size] == '\n')
        cut = size;
    }
    cut = cut > 0 ? cut : size;
    line[cut] = '\0';
    draw_text(LEFT, y, line, c);
    text += cut;
    text += *text == ' ' || *text == '\n';
    y += 9;
  }
}

static void draw_keys(int y) {
  static const char *const keys[][2] = {{"space", "pause"},
                                        {"S", "slow motion"},
                                        {"H", "a hog: endless loop"},
                                        {"R", "load town.lua"}};
  for (int i = 0; i < 4; i++, y += 9) {
    draw_text(LEFT, y, keys[i][0], WARM);
    draw_text(LEFT + 30, y, keys[i][1], FAINT);
  }
}

void panel_draw(const times *t, double speed, uint64_t budget_ns) {
  char text[48], right[48];
  float hour = town_hour();
  fill(TOWN_WIDTH, 0, WIDTH - TOWN_WIDTH, HEIGHT, BACK);
  fill(TOWN_WIDTH, 0, 1, HEIGHT, 0x12151f);
  snprintf(text, sizeof text, "day %d, %02d:%02d", town_day(), (int)hour,
           (int)(hour * 60) % 60);
  draw_text(LEFT, 7, "Neap Harbour", TEXT);
  draw_right(RIGHT, 7, speed <= 0 ? "paused" : speed < 1 ? "slow" : "", WARM);
  draw_text(LEFT, 18, text, FAINT);
  snprintf(right, sizeof right, "%d people", PEOPLE);
  draw_right(RIGHT, 18, right, FAINT);

  double budget_ms = (double)budget_ns / 1e6;
  snprintf(right, sizeof right, "budget %.0f ms", budget_ms);
  title(35, "neap, a frame", script.cut_short ? "" : right);
  if (script.cut_short)
    draw_right(RIGHT, 35, "cut short", WARM);
  draw_last(t, 45, 28, budget_ms);
  title(79, "frames by ms", "");
  draw_histogram(t, 89, 30);
  draw_figure(LEFT, 134, "median", times_part(t, 0.5));
  draw_figure(LEFT + 38, 134, "p99.9", times_part(t, 0.999));
  draw_figure(LEFT + 70, 134, "max", (double)t->longest_ns / 1e6);
  draw_text(LEFT + 95, 134, ">16.7", FAINT);
  snprintf(text, sizeof text, "%" PRIu64, t->over);
  draw_text(LEFT + 95, 144, text, t->over > 0 ? BAD : GOOD);

  title(160, "at the nodes", "people");
  draw_nodes(170, 8);
  snprintf(right, sizeof right, "loaded %dx, %.1f MB", script.loads,
           script.megabytes);
  title(246, "town.lua", right);
  if (script.error[0])
    draw_wrapped(256, 3, script.error, BAD);
  else
    draw_text(LEFT, 256, "no errors", GOOD);
  draw_keys(284);
}
