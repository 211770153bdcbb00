#include "base/pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS_MAX = 1024, SPIN_ROUNDS = 4000 };

typedef struct worker {
    rg_pool *pool;
    unsigned thread;
    pthread_t handle;
} worker;

struct rg_pool {
    const rg_mem *mem;
    unsigned n_threads;
    unsigned n_started; // workers that run, without the caller
    // the section; written by the owner before `generation` is stepped (release), read after
    // (acquire)
    rg_pool_fn *fn;
    void *arg;
    size_t n_chunks;
    _Alignas(64) atomic_uint generation; // futex word: one step a section
    _Alignas(64) atomic_size_t next_chunk;
    _Alignas(64) atomic_uint n_working; // futex word: workers that have not left the section yet
    atomic_uint n_sleeping;
    atomic_bool is_closing;
    worker *workers;
};

static void cpu_relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

static void futex_wait(atomic_uint *word, unsigned seen) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void futex_wake_all(atomic_uint *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void work(rg_pool *pool, unsigned thread) {
    for (;;) {
        const size_t chunk = atomic_fetch_add_explicit(&pool->next_chunk, 1, memory_order_relaxed);
        if (chunk >= pool->n_chunks) {
            return;
        }
        pool->fn(pool->arg, chunk, thread);
    }
}

static void *worker_main(void *arg) {
    worker *self = arg;
    rg_pool *pool = self->pool;
    unsigned seen = 0;
    for (;;) {
        // wait for the next section: spin first, a decode step brings one every few microseconds
        unsigned now = atomic_load_explicit(&pool->generation, memory_order_acquire);
        for (int i = 0; now == seen && i < SPIN_ROUNDS; i++) {
            cpu_relax();
            now = atomic_load_explicit(&pool->generation, memory_order_acquire);
        }
        while (now == seen) {
            atomic_fetch_add(&pool->n_sleeping, 1);
            futex_wait(&pool->generation, seen);
            atomic_fetch_sub(&pool->n_sleeping, 1);
            now = atomic_load_explicit(&pool->generation, memory_order_acquire);
        }
        seen = now;
        if (atomic_load_explicit(&pool->is_closing, memory_order_relaxed)) {
            return NULL;
        }
        work(pool, self->thread);
        if (atomic_fetch_sub_explicit(&pool->n_working, 1, memory_order_acq_rel) == 1) {
            futex_wake_all(&pool->n_working);
        }
    }
}

// seq_cst pairs with the sleeper's increment: either it sees the new generation or we see the
// sleeper
static void step_generation(rg_pool *pool) {
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->n_sleeping) != 0) {
        futex_wake_all(&pool->generation);
    }
}

rg_status rg_pool_new(const rg_mem *mem, unsigned n_threads, rg_pool **out, rg_error *err) {
    if (n_threads < 1 || n_threads > THREADS_MAX) {
        return rg_fail(err, RG_E_ARG, "%u threads asked for, 1 to %d are possible", n_threads,
                       THREADS_MAX);
    }
    rg_pool *pool = rg_new(mem, sizeof *pool);
    if (pool == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a thread pool");
    }
    pool->mem = mem;
    pool->n_threads = n_threads;
    pool->workers = rg_new_array(mem, n_threads, sizeof *pool->workers);
    if (pool->workers == NULL) {
        rg_pool_free(pool);
        return rg_fail(err, RG_E_MEMORY, "no memory for %u threads", n_threads);
    }
    for (unsigned i = 1; i < n_threads; i++) {
        worker *w = &pool->workers[i];
        *w = (worker){.pool = pool, .thread = i};
        const int failed = pthread_create(&w->handle, NULL, worker_main, w);
        if (failed != 0) {
            rg_pool_free(pool);
            return rg_fail(err, RG_E_IO, "cannot start thread %u of %u: %s", i, n_threads,
                           strerror(failed));
        }
        pool->n_started++;
    }
    *out = pool;
    return RG_OK;
}

void rg_pool_free(rg_pool *pool) {
    if (pool == NULL) {
        return;
    }
    atomic_store_explicit(&pool->is_closing, true, memory_order_relaxed);
    step_generation(pool);
    for (unsigned i = 1; i <= pool->n_started; i++) {
        pthread_join(pool->workers[i].handle, NULL);
    }
    rg_free(pool->mem, pool->workers);
    rg_free(pool->mem, pool);
}

unsigned rg_pool_threads(const rg_pool *pool) {
    return pool->n_threads;
}

void rg_pool_run(rg_pool *pool, size_t n_chunks, rg_pool_fn *fn, void *arg) {
    if (pool->n_started == 0 || n_chunks <= 1) {
        for (size_t i = 0; i < n_chunks; i++) {
            fn(arg, i, 0);
        }
        return;
    }
    pool->fn = fn;
    pool->arg = arg;
    pool->n_chunks = n_chunks;
    atomic_store_explicit(&pool->next_chunk, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->n_working, pool->n_started, memory_order_relaxed);
    step_generation(pool);

    work(pool, 0);

    // wait until every worker has left: only then may the section's fields change
    unsigned left = atomic_load_explicit(&pool->n_working, memory_order_acquire);
    for (int i = 0; left != 0 && i < SPIN_ROUNDS; i++) {
        cpu_relax();
        left = atomic_load_explicit(&pool->n_working, memory_order_acquire);
    }
    while (left != 0) {
        futex_wait(&pool->n_working, left);
        left = atomic_load_explicit(&pool->n_working, memory_order_acquire);
    }
}
