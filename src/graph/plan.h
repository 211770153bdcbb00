/* The memory plan of a graph: every temporary gets an offset in one arena before anything is
 * allocated. */
#pragma once

#include "graph/graph.h"

#define RG_PLAN_ALIGN 64

/** Offsets by value number; SIZE_MAX for values that do not live in the arena. */
typedef struct rg_plan {
    const rg_mem *mem;
    size_t *offset;
    size_t arena_bytes;
} rg_plan;

/**
 * Place the temporaries of a finished graph: two values share bytes only when no section uses both.
 * @param section  section[i] is the parallel section of node i, ascending; the values of one
 * section all live at once, because its nodes run interleaved. NULL: every node is its own. Errors:
 * RG_E_MEMORY, RG_E_LIMIT (sizes that do not fit). On failure out is untouched.
 */
rg_status rg_plan_make(const rg_mem *mem, const rg_graph *g, const uint32_t *section, rg_plan *out,
                       rg_error *err) RG_MUST_CHECK;
void rg_plan_clear(rg_plan *plan);
