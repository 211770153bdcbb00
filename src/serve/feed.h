/* Bytes on their way from the thread that makes an answer to the one that sends it. */
#pragma once

#include "base/buf.h"

#include <pthread.h>

#define RG_FEED_BYTES_MAX (4 << 20) // not yet sent; a client that is further behind is cut off

/** Threads: each call is whole. Writers never wait for a reader. */
typedef struct rg_feed {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    rg_buf buf;     // guarded by lock, as all below
    size_t n_taken; // of buf
    bool is_over;   // nothing more is put in
    bool is_gone;   // nothing more is taken out
} rg_feed;

void rg_feed_init(rg_feed *feed, const rg_mem *mem);
void rg_feed_clear(rg_feed *feed);
/** Put bytes in; false: nobody will take them, or there is no room (then nobody will either). */
bool rg_feed_put(rg_feed *feed, rg_str bytes);
/** That was all. */
void rg_feed_end(rg_feed *feed);
/** Nobody takes any more. */
void rg_feed_leave(rg_feed *feed);
/** Wait until there are bytes, or only for the end, at most wait_ms; is it so? */
bool rg_feed_wait(rg_feed *feed, bool for_end, unsigned wait_ms);
/** Take at most `max` bytes, waiting for the first one at most wait_ms. @return as
 * rg_http_source.read */
size_t rg_feed_take(rg_feed *feed, char *out, size_t max, unsigned wait_ms, bool *is_end);
