/*
 * A pool of threads for one graph at a time: short parallel sections with few microseconds between.
 * Workers spin briefly, then sleep. Work is handed out in chunks from one counter, so a thread that
 * the system slows down costs its share and no more, and one that it does not run at all, nothing.
 */
#pragma once

#include "base/mem.h"

typedef struct rg_pool rg_pool;

/** One chunk of a parallel section. `thread` is 0 .. n_threads-1, for scratch memory. */
typedef void rg_pool_fn(void *arg, size_t chunk, unsigned thread);

/**
 * @param n_threads  at least 1, the calling thread included; 1 starts no thread
 * Errors: RG_E_ARG, RG_E_MEMORY, RG_E_IO (no thread could be started).
 */
rg_status rg_pool_new(const rg_mem *mem, unsigned n_threads, rg_pool **out,
                      rg_error *err) RG_MUST_CHECK;
void rg_pool_free(rg_pool *pool);
unsigned rg_pool_threads(const rg_pool *pool);

/**
 * Run fn for every chunk in [0, n_chunks) and return when all are done. The caller works too.
 * Threads: owner thread (one section at a time).
 */
void rg_pool_run(rg_pool *pool, size_t n_chunks, rg_pool_fn *fn, void *arg);
