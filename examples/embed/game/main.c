/* A game of 300 people in a town, each with a flow in Lua that neap runs within
 * the game's frames. SPDX-License-Identifier: MIT */
#include <SDL.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "canvas.h"
#include "panel.h"
#include "scene.h"
#include "script.h"
#include "times.h"
#include "town.h"

#define FRAME_SECONDS (1.0 / 60)
#define BUDGET_NS     UINT64_C(2000000) /* of each frame for neap */

typedef struct options {
  const char *script, *screenshot;
  unsigned seed;
  long frames;  /* 0: until the window is closed */
  bool is_fast; /* frames follow each other at once */
  int presses;  /* keys that are pressed by themselves, in these frames */
  struct {
    long frame;
    SDL_Keycode key;
  } press[16];
} options;

typedef struct game {
  SDL_Window *window;
  SDL_Renderer *renderer;
  SDL_Texture *texture;
  bool ended, paused, slow;
  unsigned frame;
  times wall, cpu;
  int loads; /* what has been told of the script */
  char error[sizeof script.error];
} game;

static const char usage[] =
    "usage: game [OPTION]... [SCRIPT]\n"
    "  --frames N             end after N frames\n"
    "  --fast                 have them follow each other at once\n"
    "  --screenshot FILE.png  at the end, write the picture there\n"
    "  --seed N               what the town does by chance\n"
    "  --press N KEY          press a key in frame N: Space, S, H, R, Escape\n";

static bool read_press(const char *frame, const char *key, options *o) {
  if (o->presses == sizeof o->press / sizeof *o->press)
    return false;
  o->press[o->presses].frame = strtol(frame, NULL, 10);
  o->press[o->presses].key = SDL_GetKeyFromName(key);
  return o->press[o->presses++].key != SDLK_UNKNOWN;
}

static bool read_options(int argc, char **argv, options *o) {
  *o = (options){.script = "town.lua", .seed = 1};
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (argv[i][0] != '-')
      o->script = argv[i];
    else if (strcmp(argv[i], "--fast") == 0)
      o->is_fast = true;
    else if (!value)
      return false;
    else if (strcmp(argv[i], "--frames") == 0)
      o->frames = strtol(argv[++i], NULL, 10);
    else if (strcmp(argv[i], "--screenshot") == 0)
      o->screenshot = argv[++i];
    else if (strcmp(argv[i], "--seed") == 0)
      o->seed = (unsigned)strtoul(argv[++i], NULL, 10);
    else if (strcmp(argv[i], "--press") == 0 && i + 2 < argc &&
             read_press(argv[i + 1], argv[i + 2], o))
      i += 2;
    else
      return false;
  }
  return true;
}

static bool open_window(game *g) {
  if (SDL_Init(SDL_INIT_VIDEO) < 0)
    return false;
  SDL_SetHint(SDL_HINT_RENDER_SCALE_QUALITY, "nearest");
  g->window = SDL_CreateWindow("Neap Harbour", SDL_WINDOWPOS_CENTERED,
                               SDL_WINDOWPOS_CENTERED, 2 * WIDTH, 2 * HEIGHT,
                               SDL_WINDOW_RESIZABLE);
  g->renderer = g->window ? SDL_CreateRenderer(g->window, -1, 0) : NULL;
  g->texture =
      g->renderer
          ? SDL_CreateTexture(g->renderer, SDL_PIXELFORMAT_RGB888,
                              SDL_TEXTUREACCESS_STREAMING, WIDTH, HEIGHT)
          : NULL;
  return g->texture &&
         SDL_RenderSetLogicalSize(g->renderer, WIDTH, HEIGHT) == 0;
}

static void read_keys(game *g, const options *o) {
  SDL_Event event = {.type = SDL_KEYDOWN};
  for (int i = 0; i < o->presses; i++)
    if (o->press[i].frame == (long)g->frame) {
      event.key.keysym.sym = o->press[i].key;
      SDL_PushEvent(&event);
    }
  while (SDL_PollEvent(&event)) {
    if (event.type == SDL_QUIT)
      g->ended = true;
    if (event.type != SDL_KEYDOWN || event.key.repeat)
      continue;
    switch (event.key.keysym.sym) {
    case SDLK_SPACE:
      g->paused = !g->paused;
      break;
    case SDLK_s:
      g->slow = !g->slow;
      break;
    case SDLK_h:
      script_hog();
      break;
    case SDLK_r:
      script_reload(true);
      break;
    case SDLK_ESCAPE:
      g->ended = true;
      break;
    default:
      break;
    }
  }
}

static uint64_t clock_ns(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* A frame: the flows go on, the town moves, and all is drawn. */
static void play(game *g) {
  double speed = g->paused ? 0 : g->slow ? 0.25 : 1;
  double seconds = speed * FRAME_SECONDS;
  uint64_t wall = clock_ns(CLOCK_MONOTONIC);
  uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  script_frame(seconds, BUDGET_NS);
  town_step((float)seconds, script_arrived);
  times_add(&g->cpu, clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu);
  times_add(&g->wall, clock_ns(CLOCK_MONOTONIC) - wall);
  if (g->frame++ % 15 == 0)
    script_reload(false);
  scene_draw(g->frame);
  panel_draw(&g->wall, speed, BUDGET_NS);
}

static void show(const game *g) {
  SDL_UpdateTexture(g->texture, NULL, canvas, WIDTH * (int)sizeof *canvas);
  SDL_RenderClear(g->renderer);
  SDL_RenderCopy(g->renderer, g->texture, NULL, NULL);
  SDL_RenderPresent(g->renderer);
}

/* Says on the terminal, too, what has become of the script. */
static void tell(game *g, const options *o) {
  if (g->loads != script.loads)
    printf("%s is loaded\n", o->script);
  if (strcmp(g->error, script.error) != 0 && script.error[0])
    fprintf(stderr, "%s\n", script.error);
  fflush(stdout);
  g->loads = script.loads;
  memcpy(g->error, script.error, sizeof g->error);
}

static void run(game *g, const options *o) {
  const double tick = 1.0 / (double)SDL_GetPerformanceFrequency();
  double next = (double)SDL_GetPerformanceCounter() * tick;
  while (!g->ended && (o->frames == 0 || (long)g->frame < o->frames)) {
    read_keys(g, o);
    play(g);
    tell(g, o);
    show(g);
    if (o->is_fast)
      continue;
    next += FRAME_SECONDS;
    double left = next - (double)SDL_GetPerformanceCounter() * tick;
    if (left > 0)
      SDL_Delay((Uint32)(left * 1000));
    else if (left < -0.1) /* the machine was busy: no hurry to catch up */
      next -= left;
  }
}

int main(int argc, char **argv) {
  static game g;
  options o;
  int status = EXIT_FAILURE;
  if (!read_options(argc, argv, &o)) {
    fputs(usage, stderr);
    return 2;
  }
  town_begin(o.seed);
  if (!script_open(o.script, o.seed)) {
    fprintf(stderr, "game: %s\n", script.error);
  } else if (!open_window(&g)) {
    fprintf(stderr, "game: %s\n", SDL_GetError());
  } else {
    scene_begin();
    run(&g, &o);
    times_print(&g.wall, "neap, wall clock", stdout);
    times_print(&g.cpu, "neap, processor", stdout);
    printf("flows: %lu have ended, %lu of them failed\n", script.ended,
           script.failed);
    status = EXIT_SUCCESS;
    if (o.screenshot && !save_picture(o.screenshot)) {
      fprintf(stderr, "game: cannot write %s\n", o.screenshot);
      status = EXIT_FAILURE;
    }
  }
  script_close();
  SDL_Quit();
  return status;
}
