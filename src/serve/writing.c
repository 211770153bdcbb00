#include "serve/writing.h"

#include <time.h>

static rg_buf *bufs_of(rg_writing *w) {
    return (rg_buf *)(void *)((char *)w + w->bufs_at);
}

void *rg_writing_new(raga_server *server, size_t size, size_t bufs_at, size_t n_bufs,
                     const char *id) {
    rg_writing *w = rg_new(server->mem, size);
    if (w == NULL) {
        return NULL;
    }
    *w = (rg_writing){.mem = server->mem,
                      .server = server,
                      .created = (long long)time(NULL),
                      .bufs_at = bufs_at,
                      .n_bufs = n_bufs};
    if (id != NULL) {
        rg_serve_id(id, w->id);
    }
    for (size_t i = 0; i < n_bufs; i++) {
        rg_buf_init(&bufs_of(w)[i], server->mem, 0);
    }
    return w;
}

void rg_writing_free(void *writing) {
    rg_writing *w = writing;
    for (size_t i = 0; i < w->n_bufs; i++) {
        rg_buf_clear(&bufs_of(w)[i]);
    }
    rg_free(w->mem, w);
}
