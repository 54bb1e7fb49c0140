/* The body of a response, decoded while it arrives.
 * SPDX-License-Identifier: MIT */
#include "decode.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "coding.h"

/* More codings than this are an attack: each may multiply the size of what it
 * is fed. */
enum { MAX_STAGES = 5 };

/* How much one stage decodes ahead for the next. */
enum { WINDOW = 16 * 1024 };

/* Undoes one coding. */
typedef struct stage {
  const neap__coding *coding;
  struct stage *outer;     /* feeds this one; NULL: what is received does */
  void *state;             /* NULL: nothing has come yet */
  const unsigned char *in; /* what is to be decoded next */
  size_t in_size;
  bool is_inside;        /* of a stream that has begun and not ended */
  bool is_full;          /* it may have decoded more than there was room for */
  unsigned char *window; /* where `in` points to, but in the last stage */
} stage;

/* The stages are in the order in which the codings were applied. So the last is
 * fed with what has been received, every other one with what the next stage has
 * decoded, and the first one gives the body. */
struct neap__decoder {
  neap_alloc alloc;
  stage stages[MAX_STAGES];
  size_t count;
  const unsigned char *in; /* without stages: what it was fed */
  size_t in_size;
  bool is_unknown; /* `why` tells which coding cannot be undone */
  char why[160];
};

/* Notes that a coding cannot be undone. The sentence names it only if the name
 * is short and has no odd characters. */
static void refuse(neap__decoder *decoder, const char *name, size_t size) {
  static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.";
  if (decoder->is_unknown)
    return;
  decoder->is_unknown = true;
  bool is_told = size <= 32 && strspn(name, plain) >= size;
  snprintf(decoder->why, sizeof decoder->why,
           "the body has an unknown encoding%s%.*s, not one of " NEAP__CODINGS,
           is_told ? ": " : "", is_told ? (int)size : 0, name);
}

static int add_stage(neap__decoder *decoder, const neap__coding *coding) {
  if (decoder->count == MAX_STAGES) {
    decoder->is_unknown = true;
    snprintf(decoder->why, sizeof decoder->why,
             "the body has more than %d encodings, one in another", MAX_STAGES);
    return 0;
  }
  stage *last = &decoder->stages[decoder->count];
  last->coding = coding;
  if (decoder->count > 0) {
    last[-1].window = neap__alloc(&decoder->alloc, WINDOW);
    if (!last[-1].window)
      return NEAP_ENOMEM;
    last[-1].outer = last;
  }
  decoder->count++;
  return 0;
}

/* Names of which no stage is made: "chunked" is undone by libcurl, and
 * "identity" and "none" mean that there is no coding. */
static bool is_ignored(const char *name, size_t size) {
  static const char *const ignored[] = {"identity", "none", "chunked"};
  for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
    if (strlen(ignored[i]) == size && strncasecmp(ignored[i], name, size) == 0)
      return true;
  }
  return size == 0;
}

/* Adds the codings of a header's value, RFC 9110 5.6.1: names with commas and
 * blanks between them. */
static int add_list(neap__decoder *decoder, const char *list) {
  while (*list) {
    list += strspn(list, " \t,");
    size_t size = strcspn(list, ",");
    const char *end = list + size;
    while (size > 0 && (list[size - 1] == ' ' || list[size - 1] == '\t'))
      size--;
    const neap__coding *coding = neap__coding_find(list, size);
    if (!coding && !is_ignored(list, size))
      refuse(decoder, list, size);
    int status = coding ? add_stage(decoder, coding) : 0;
    if (status < 0)
      return status;
    list = end;
  }
  return 0;
}

/* Adds the codings of all headers of this name. */
static int add_header(neap__decoder *decoder,
                      const neap_http_response *response, const char *name) {
  int status = 0;
  for (size_t i = 0; i < response->field_count && status == 0; i++) {
    const neap__http_field *field = &response->fields[i];
    if (strcmp(response->head.bytes + field->name, name) == 0)
      status = add_list(decoder, response->head.bytes + field->value);
  }
  return status;
}

neap__decoder *neap__decoder_new(const neap_http_response *response) {
  neap__decoder *decoder = neap__alloc(&response->alloc, sizeof *decoder);
  if (!decoder)
    return NULL;
  decoder->alloc = response->alloc;
  int status = add_header(decoder, response, "content-encoding");
  if (status == 0)
    status = add_header(decoder, response, "transfer-encoding");
  if (status == 0)
    return decoder;
  neap__decoder_free(decoder);
  return NULL;
}

void neap__decoder_free(neap__decoder *decoder) {
  if (!decoder)
    return;
  for (size_t i = 0; i < decoder->count; i++) {
    stage *s = &decoder->stages[i];
    s->coding->close(s->state);
    neap__free(&decoder->alloc, s->window, WINDOW);
  }
  neap_alloc alloc = decoder->alloc;
  neap__free(&alloc, decoder, sizeof *decoder);
}

/* The stage that is fed with what has been received. */
static stage *last_stage(neap__decoder *decoder) {
  return &decoder->stages[decoder->count - 1];
}

void neap__decoder_feed(neap__decoder *decoder, const void *bytes,
                        size_t size) {
  if (decoder->count == 0) {
    decoder->in = bytes;
    decoder->in_size = size;
    return;
  }
  last_stage(decoder)->in = bytes;
  last_stage(decoder)->in_size = size;
}

size_t neap__decoder_left(const neap__decoder *decoder) {
  return decoder->count > 0 ? decoder->stages[decoder->count - 1].in_size
                            : decoder->in_size;
}

static int fail(neap__decoder *decoder, const char *format, const char *name) {
  snprintf(decoder->why, sizeof decoder->why, format, name);
  return NEAP_EHTTP;
}

/* Begins a stream, the first or a further one. */
static int begin_stream(neap__decoder *decoder, stage *s) {
  const neap__coding *coding = s->coding;
  s->is_inside = true;
  if (!s->state) {
    s->state = coding->open();
    return s->state ? 0 : NEAP_ENOMEM;
  }
  if (!coding->repeats)
    return fail(decoder, "the body goes on behind the end of its %s data",
                coding->name);
  return coding->reset(s->state);
}

/* Lets a stage decode what it was fed, to at most `room` bytes; *size says how
 * many. */
static int run_stage(neap__decoder *decoder, stage *s, unsigned char *out,
                     size_t room, size_t *size) {
  if (!s->is_inside && s->state) {
    /* Zero bytes behind a stream are padding, as on a tape. */
    while (s->in_size > 0 && *s->in == 0) {
      s->in++;
      s->in_size--;
    }
    if (s->in_size == 0)
      return 0;
  }
  int status = s->is_inside ? 0 : begin_stream(decoder, s);
  if (status < 0)
    return status;
  neap__coding_io io = {s->in, s->in_size, out, room};
  bool ended = false;
  status = s->coding->decode(s->state, &io, &ended);
  bool has_moved = io.in_size < s->in_size || io.room < room || ended;
  if (status == NEAP_EHTTP || (status == 0 && s->in_size > 0 && !has_moved))
    return fail(decoder, "the body is not valid %s data", s->coding->name);
  s->in = io.in;
  s->in_size = io.in_size;
  s->is_inside = !ended;
  s->is_full = !ended && io.room == 0;
  *size = room - io.room;
  return status;
}

/* Decodes at most `room` bytes with a stage and those that feed it. */
static int read_stage(neap__decoder *decoder, stage *s, unsigned char *out,
                      size_t room, size_t *size) {
  int status = 0;
  *size = 0;
  while (status == 0 && *size == 0) {
    if (s->in_size == 0 && !s->is_full) {
      if (!s->outer)
        return 0;
      status = read_stage(decoder, s->outer, s->window, WINDOW, &s->in_size);
      s->in = s->window;
      if (status < 0 || s->in_size == 0)
        return status;
    }
    status = run_stage(decoder, s, out, room, size);
  }
  return status;
}

int neap__decoder_read(neap__decoder *decoder, void *out, size_t room,
                       size_t *size) {
  *size = 0;
  if (decoder->is_unknown)
    return neap__decoder_left(decoder) > 0 ? NEAP_EHTTP : 0;
  if (decoder->count > 0)
    return read_stage(decoder, decoder->stages, out, room, size);
  *size = room < decoder->in_size ? room : decoder->in_size;
  if (*size > 0)
    memcpy(out, decoder->in, *size);
  decoder->in += *size;
  decoder->in_size -= *size;
  return 0;
}

bool neap__decoder_is_whole(neap__decoder *decoder) {
  for (size_t i = 0; i < decoder->count; i++) {
    const stage *s = &decoder->stages[i];
    if (s->is_inside) {
      fail(decoder, "the body ended before its %s data was complete",
           s->coding->name);
      return false;
    }
  }
  return true;
}

const char *neap__decoder_why(const neap__decoder *decoder) {
  return decoder->why;
}
