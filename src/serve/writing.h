/* An answer on its way out: what every interface's writer has, and the life of its buffers. */
#pragma once

#include "serve/server.h"

#include "base/buf.h"

#include <stddef.h>

/** The first member of an interface's own. */
typedef struct rg_writing {
    const rg_mem *mem;
    raga_server *server;
    char id[40];
    long long created; // seconds since 1970
    size_t bufs_at;    // where in the whole its buffers lie, one after another
    size_t n_bufs;
} rg_writing;

/**
 * @param size     of the whole; what lies beside head and buffers is zero
 * @param id       what its id begins with; NULL: it has none
 * @return         NULL: no memory. Owned by the job: rg_writing_free
 */
void *rg_writing_new(raga_server *server, size_t size, size_t bufs_at, size_t n_bufs,
                     const char *id);
/** Of any interface: the `free` of its rg_writer. */
void rg_writing_free(void *writing);
