#include "serve/feed.h"

#include <time.h>

void rg_feed_init(rg_feed *f, const rg_mem *mem) {
    pthread_condattr_t clock;
    *f = (rg_feed){0};
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&f->wake, &clock);
    pthread_condattr_destroy(&clock);
    rg_buf_init(&f->buf, mem, RG_FEED_BYTES_MAX);
}

void rg_feed_clear(rg_feed *f) {
    rg_buf_clear(&f->buf);
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->lock);
}

// make room of what was taken, so that the limit is on what waits
static void compact(rg_feed *f) {
    if (f->n_taken > f->buf.size / 2) {
        f->buf.size -= f->n_taken;
        memmove(f->buf.data, f->buf.data + f->n_taken, f->buf.size);
        f->n_taken = 0;
    }
}

bool rg_feed_put(rg_feed *f, rg_str bytes) {
    pthread_mutex_lock(&f->lock);
    if (!f->is_gone && !f->is_over) {
        compact(f);
        rg_buf_str(&f->buf, bytes);
        f->is_gone = f->buf.is_failed;
        pthread_cond_broadcast(&f->wake);
    }
    const bool is_fine = !f->is_gone;
    pthread_mutex_unlock(&f->lock);
    return is_fine;
}

void rg_feed_end(rg_feed *f) {
    pthread_mutex_lock(&f->lock);
    f->is_over = true;
    pthread_cond_broadcast(&f->wake);
    pthread_mutex_unlock(&f->lock);
}

void rg_feed_leave(rg_feed *f) {
    pthread_mutex_lock(&f->lock);
    f->is_gone = true;
    pthread_cond_broadcast(&f->wake);
    pthread_mutex_unlock(&f->lock);
}

static bool is_ready(const rg_feed *f, bool for_end) {
    return f->is_over || f->is_gone || (!for_end && f->buf.size > f->n_taken);
}

// with the lock held
static bool wait_ready(rg_feed *f, bool for_end, unsigned wait_ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!is_ready(f, for_end)) {
        if (pthread_cond_timedwait(&f->wake, &f->lock, &until) != 0) {
            break;
        }
    }
    return is_ready(f, for_end);
}

bool rg_feed_wait(rg_feed *f, bool for_end, unsigned wait_ms) {
    pthread_mutex_lock(&f->lock);
    const bool is = wait_ready(f, for_end, wait_ms);
    pthread_mutex_unlock(&f->lock);
    return is;
}

size_t rg_feed_take(rg_feed *f, char *out, size_t max, unsigned wait_ms, bool *is_end) {
    pthread_mutex_lock(&f->lock);
    (void)wait_ready(f, false, wait_ms);
    const size_t left = f->buf.size - f->n_taken;
    const size_t n = left < max ? left : max;
    if (n != 0) {
        memcpy(out, f->buf.data + f->n_taken, n);
        f->n_taken += n;
    }
    if (f->n_taken == f->buf.size) {
        f->buf.size = 0; // the room is used again
        f->n_taken = 0;
    }
    *is_end = n == 0 && (f->is_over || f->is_gone);
    pthread_mutex_unlock(&f->lock);
    return n;
}
