#include "base/pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS_MAX = 1024, SPIN_ROUNDS = 4000 };

/*
 * The gate is the one word that a section is entered and left by: whether it is open, its number,
 * and how many workers are inside. A worker enters by a compare-and-swap while the gate is open;
 * the owner works too, shuts the gate when no chunk is left, and waits for those inside alone. A
 * worker that the system does not run, because the core is taken or it sleeps, is not waited for.
 */
enum {
    GATE_INSIDE = (1u << 11) - 1, // workers inside
    GATE_STEP = 1u << 11,         // one section on; twenty bits, then from 0 again
};
#define GATE_OPEN (1u << 31)

typedef struct worker {
    rg_pool *pool;
    unsigned thread;
    pthread_t handle;
} worker;

struct rg_pool {
    const rg_mem *mem;
    unsigned n_threads;
    unsigned n_started; // workers that run, without the caller
    // the section; written by the owner while the gate is shut and nobody inside, then it opens
    // (release); read by those who entered (acquire)
    rg_pool_fn *fn;
    void *arg;
    size_t n_chunks;
    _Alignas(64) atomic_uint gate; // futex word
    _Alignas(64) atomic_size_t next_chunk;
    _Alignas(64) atomic_uint n_sleeping; // workers; seq_cst pairs with the gate: see step_gate
    atomic_bool is_waiting;              // the owner, for the last inside; the same
    atomic_bool is_closing;              // stored before the gate is stepped, loaded after
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

// the number of a section, whatever else the gate says
static unsigned section_of(unsigned gate) {
    return gate & ~(GATE_OPEN | GATE_INSIDE);
}

// ordered by the acquire load of the gate before it
static bool is_closing(const rg_pool *pool) {
    return atomic_load_explicit(&pool->is_closing, memory_order_relaxed);
}

// the gate at another section than the one seen last: spin first, a decode step brings one every
// few microseconds
static unsigned wait_for_section(rg_pool *pool, unsigned seen) {
    unsigned gate = atomic_load_explicit(&pool->gate, memory_order_acquire);
    for (int i = 0; section_of(gate) == seen && i < SPIN_ROUNDS && !is_closing(pool); i++) {
        cpu_relax();
        gate = atomic_load_explicit(&pool->gate, memory_order_acquire);
    }
    while (section_of(gate) == seen && !is_closing(pool)) {
        atomic_fetch_add(&pool->n_sleeping, 1);
        futex_wait(&pool->gate, gate);
        atomic_fetch_sub(&pool->n_sleeping, 1);
        gate = atomic_load_explicit(&pool->gate, memory_order_acquire);
    }
    return gate;
}

static bool enter(rg_pool *pool, unsigned gate) {
    while ((gate & GATE_OPEN) != 0) {
        if (atomic_compare_exchange_weak_explicit(&pool->gate, &gate, gate + 1,
                                                  memory_order_acquire, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

static void leave(rg_pool *pool) {
    const unsigned before = atomic_fetch_sub(&pool->gate, 1); // seq_cst, see wait_until_empty
    if ((before & (GATE_OPEN | GATE_INSIDE)) == 1 && atomic_load(&pool->is_waiting)) {
        futex_wake_all(&pool->gate);
    }
}

static void *worker_main(void *arg) {
    worker *self = arg;
    rg_pool *pool = self->pool;
    unsigned seen = 0;
    for (;;) {
        const unsigned gate = wait_for_section(pool, seen);
        if (is_closing(pool)) {
            return NULL;
        }
        seen = section_of(gate);
        if (enter(pool, gate)) {
            work(pool, self->thread);
            leave(pool);
        }
    }
}

// seq_cst pairs with the sleeper's increment: either it sees the new gate or we see the sleeper
static void step_gate(rg_pool *pool, unsigned is_open) {
    const unsigned gate = atomic_load_explicit(&pool->gate, memory_order_relaxed);
    atomic_store(&pool->gate, ((section_of(gate) + GATE_STEP) & ~GATE_OPEN) | is_open);
    if (atomic_load(&pool->n_sleeping) != 0) {
        futex_wake_all(&pool->gate);
    }
}

// shut the gate; only when all inside have left may the section's fields change
static void wait_until_empty(rg_pool *pool) {
    unsigned gate = atomic_fetch_and_explicit(&pool->gate, ~GATE_OPEN, memory_order_acq_rel);
    for (int i = 0; (gate & GATE_INSIDE) != 0 && i < SPIN_ROUNDS; i++) {
        cpu_relax();
        gate = atomic_load_explicit(&pool->gate, memory_order_acquire);
    }
    if ((gate & GATE_INSIDE) == 0) {
        return;
    }
    // seq_cst pairs with leave: either the last one sees us waiting, or we see that it left
    atomic_store(&pool->is_waiting, true);
    for (gate = atomic_load(&pool->gate); (gate & GATE_INSIDE) != 0;
         gate = atomic_load(&pool->gate)) {
        futex_wait(&pool->gate, gate);
    }
    atomic_store_explicit(&pool->is_waiting, false, memory_order_relaxed);
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
    step_gate(pool, 0);
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
    step_gate(pool, GATE_OPEN);
    work(pool, 0);
    wait_until_empty(pool);
}
