/* The body of a response: decoded, limited, and no faster than it is read.
 * SPDX-License-Identifier: MIT */
#include "body.h"

/* The body of a redirect is not the one that the caller has limited, but it
 * needs a limit as well. */
#define MAX_REDIRECT_BODY (UINT64_C(1024) * 1024)

/* How much of a streamed body is received ahead, besides what libcurl holds;
 * and how little has to be left of it before more is received. */
enum { AHEAD = 256 * 1024, AHEAD_AGAIN = AHEAD / 2 };

/* How much is decoded at a time. */
enum { PIECE = 16 * 1024 };

/* Whether to receive no more until bytes have been taken. */
static bool is_ahead(const neap__transfer *transfer) {
  return transfer->given &&
         neap__http_response_unread(transfer->response) >= AHEAD;
}

static int keep(neap__transfer *transfer, const void *bytes, size_t size,
                uint64_t max) {
  int status = neap__http_response_body(transfer->response, bytes, size, max);
  if (status < 0)
    neap__transfer_object(transfer, status, NULL);
  else if (transfer->given)
    neap__multi_wake_reader(transfer->multi, transfer->response);
  return status;
}

/* Decodes what has been received; few bytes may become very many. Where there
 * is no room for more, libcurl is told to pause. It gives the same bytes again
 * later, and those behind them: chop_write and pausewrite of 7.88. */
static size_t receive_coded(neap__transfer *transfer, const char *bytes,
                            size_t size) {
  neap__decoder *decoder = transfer->decoder;
  neap__decoder_feed(decoder, bytes + transfer->decoded,
                     size - transfer->decoded);
  for (;;) {
    if (is_ahead(transfer)) {
      transfer->decoded = size - neap__decoder_left(decoder);
      transfer->paused |= CURLPAUSE_RECV;
      return CURL_WRITEFUNC_PAUSE;
    }
    char piece[PIECE];
    size_t made;
    int status = neap__decoder_read(decoder, piece, sizeof piece, &made);
    if (status < 0) {
      neap__transfer_object(transfer, status, neap__decoder_why(decoder));
      return 0;
    }
    if (made == 0)
      break;
    if (keep(transfer, piece, made, transfer->max_body) < 0)
      return 0;
  }
  transfer->decoded = 0;
  return size;
}

size_t neap__body_receive(char *bytes, size_t one, size_t size, void *ud) {
  (void)one;
  neap__transfer *transfer = ud;
  if (neap__transfer_is_redirect(transfer)) {
    uint64_t max = transfer->max_body;
    if (max < MAX_REDIRECT_BODY)
      max = MAX_REDIRECT_BODY;
    return keep(transfer, bytes, size, max) < 0 ? 0 : size;
  }
  if (transfer->response->is_coded && !transfer->decoder) {
    transfer->decoder = neap__decoder_new(transfer->response);
    if (!transfer->decoder) {
      neap__transfer_object(transfer, NEAP_ENOMEM, NULL);
      return 0;
    }
  }
  if (transfer->decoder)
    return receive_coded(transfer, bytes, size);
  if (is_ahead(transfer)) {
    transfer->paused |= CURLPAUSE_RECV;
    return CURL_WRITEFUNC_PAUSE;
  }
  return keep(transfer, bytes, size, transfer->max_body) < 0 ? 0 : size;
}

bool neap__body_has_room(const neap_http_response *response) {
  return neap__http_response_unread(response) <= AHEAD_AGAIN;
}
