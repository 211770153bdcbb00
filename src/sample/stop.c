#include "sample/stop.h"

rg_status rg_stop_init(rg_stop *stop, const rg_mem *mem, const char *const *strings, size_t n,
                       rg_error *err) {
    rg_status status = RG_OK;
    *stop = (rg_stop){.mem = mem};
    rg_buf_init(&stop->held, mem, 0);
    if (n > RG_STOP_STRINGS_MAX) {
        return rg_fail(err, RG_E_LIMIT, "%zu stop strings, limit %d", n, RG_STOP_STRINGS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        const size_t size = strlen(strings[i]);
        if (size == 0 || size > RG_STOP_BYTES_MAX) {
            status = rg_fail(err, size == 0 ? RG_E_ARG : RG_E_LIMIT,
                             "stop string %zu has %zu bytes, valid are 1 to %d", i, size,
                             RG_STOP_BYTES_MAX);
            goto done;
        }
        stop->strings[i] = rg_alloc(mem, size);
        if (stop->strings[i] == NULL) {
            status = rg_fail(err, RG_E_MEMORY, "no memory for a stop string");
            goto done;
        }
        memcpy(stop->strings[i], strings[i], size);
        stop->sizes[i] = size;
        stop->n = i + 1;
    }

done:
    if (status != RG_OK) {
        rg_stop_clear(stop);
    }
    return status;
}

void rg_stop_clear(rg_stop *stop) {
    for (size_t i = 0; i < stop->n; i++) {
        rg_free(stop->mem, stop->strings[i]);
    }
    stop->n = 0;
    rg_buf_clear(&stop->held);
}

// where the first stop string to be complete begins, the longest of those that end there; SIZE_MAX:
// none is
static size_t find_whole(rg_stop *stop) {
    for (size_t end = 1; end <= stop->held.size; end++) {
        size_t longest = 0;
        for (size_t i = 0; i < stop->n; i++) {
            const size_t size = stop->sizes[i];
            if (size <= end && size > longest &&
                memcmp(stop->held.data + end - size, stop->strings[i], size) == 0) {
                longest = size;
                stop->which = i;
            }
        }
        if (longest != 0) {
            return end - longest;
        }
    }
    return SIZE_MAX;
}

// whether what is held from `at` on may become a stop string when more comes
static bool may_begin(const rg_stop *stop, size_t at) {
    const size_t left = stop->held.size - at;
    for (size_t i = 0; i < stop->n; i++) {
        if (left < stop->sizes[i] && memcmp(stop->held.data + at, stop->strings[i], left) == 0) {
            return true;
        }
    }
    return false;
}

rg_status rg_stop_feed(rg_stop *stop, rg_str bytes, rg_buf *out, bool *hit, rg_error *err) {
    *hit = false;
    if (stop->n == 0) {
        rg_buf_str(out, bytes);
        return rg_buf_check(out, "generated text", err);
    }
    rg_buf_str(&stop->held, bytes);
    const rg_status status = rg_buf_check(&stop->held, "generated text", err);
    if (status != RG_OK) {
        return status;
    }
    // the first whole stop string ends it; else hold back from the first place where one may begin
    const size_t whole = find_whole(stop);
    *hit = whole != SIZE_MAX;
    size_t at = *hit ? whole : 0;
    while (!*hit && at < stop->held.size && !may_begin(stop, at)) {
        at++;
    }
    rg_buf_put(out, stop->held.data, at);
    at = *hit ? stop->held.size : at;
    if (at != 0) {
        memmove(stop->held.data, stop->held.data + at, stop->held.size - at);
        stop->held.size -= at;
    }
    return rg_buf_check(out, "generated text", err);
}

void rg_stop_flush(rg_stop *stop, rg_buf *out) {
    rg_buf_put(out, stop->held.data, stop->held.size);
    stop->held.size = 0;
}
