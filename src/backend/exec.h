/*
 * backend/ runs planned graphs. A backend is an array of kernels indexed by op; here it is the
 * cpu's. It relies on base/, tensor/, kernel/ and graph/ and knows no model.
 *
 * exec.h: a graph made ready to run: lowered to what the cpu does, cut into parallel sections,
 * planned.
 */
#pragma once

#include "base/pool.h"
#include "graph/graph.h"
#include "graph/state.h"
#include "kernel/kernels.h"

// C++ spells the same type otherwise; the layout is one byte in both
#ifdef __cplusplus
#include <atomic>
typedef std::atomic<bool> rg_atomic_bool;
#else
#include <stdatomic.h>
typedef atomic_bool rg_atomic_bool;
#endif

typedef struct rg_exec rg_exec;

typedef struct rg_exec_options {
    const rg_kernels *kernels; // borrowed for the life of the exec
    bool is_exact;             // activations stay f32: the oracle's products
    bool is_training;          // as is_exact, by the products that training has for both ways
    bool is_bf16;              // training: products round their operands to bf16
    unsigned n_threads;        // most threads of the pools that it will run on
    size_t n_pages_max;        // most pages that a session of a batch may have; 0: no state
    size_t n_rows_max;         // most sessions in a batch; 0: no state
} rg_exec_options;

/**
 * Lower and plan a graph. The graph is only read; values keep their numbers for rg_exec_value.
 * Errors: those of the graph; RG_E_UNSUPPORTED (a weight of a type without numbers); RG_E_MEMORY,
 * RG_E_LIMIT.
 */
rg_status rg_exec_new(const rg_mem *mem, const rg_graph *g, const rg_exec_options *options,
                      rg_exec **out, rg_error *err) RG_MUST_CHECK;
void rg_exec_free(rg_exec *exec);

/** Bytes of the arena that a run needs, and of the scratch for all threads; both aligned to 64. */
size_t rg_exec_arena_bytes(const rg_exec *exec);
size_t rg_exec_scratch_bytes(unsigned n_threads);

/** What a run works on. All borrowed. */
typedef struct rg_bindings {
    rg_pool *pool;
    void *arena;
    void *scratch;
    const rg_tensor *weights;     // by slot
    const void *const *inputs;    // by slot: i32 or f32, dense
    const rg_kv_batch *kv;        // NULL when the graph has no state
    const rg_atomic_bool *cancel; // looked at between sections; NULL: never cancelled
} rg_bindings;

/**
 * Run. Allocates nothing, takes no lock. Ids and rows outside their tables are refused before
 * anything is computed. Errors: RG_E_ARG (an id, row or batch that does not fit), RG_E_CANCELLED.
 * Threads: owner thread; two runs of one exec may not overlap.
 */
rg_status rg_exec_run(rg_exec *exec, const rg_bindings *b, rg_error *err) RG_MUST_CHECK;

/** Where a kept value of the graph lies in the arena after a run; f32, dense. */
float *rg_exec_value(const rg_exec *exec, void *arena, rg_val v);
