#include "graph/plan.h"

typedef struct life {
    uint32_t first; // section that writes the value first
    uint32_t last;  // section that uses it last
} life;

static void find_lives(const rg_graph *g, const uint32_t *section, life *lives) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        const rg_node *node = &g->nodes[i];
        const uint32_t s = section == NULL ? (uint32_t)i : section[i];
        for (size_t k = 0; k < node->n_out; k++) {
            lives[node->out[k]] = (life){s, s};
        }
        for (size_t k = 0; k < node->n_in; k++) {
            lives[node->in[k]].last = s;
        }
    }
    for (size_t v = 0; v < g->n_values; v++) {
        if (g->values[v].is_output) {
            lives[v].last = UINT32_MAX;
        }
    }
}

// temps in the order of their birth, and no offset for the others; their number
static size_t list_births(const rg_graph *g, size_t *offset, uint32_t *born) {
    size_t n = 0;
    for (size_t v = 0; v < g->n_values; v++) {
        offset[v] = SIZE_MAX;
    }
    for (size_t i = 0; i < g->n_nodes; i++) {
        for (size_t k = 0; k < g->nodes[i].n_out; k++) {
            born[n++] = g->nodes[i].out[k];
        }
    }
    return n;
}

// the lowest offset where `bytes` fit beside all placed values alive at the same time
static size_t lowest_gap(const rg_graph *g, const life *lives, const size_t *offset, size_t v,
                         const uint32_t *alive, size_t n_alive) {
    size_t at = 0;
    const size_t bytes = g->values[v].bytes;
    bool moved = true;
    while (moved) {
        moved = false;
        for (size_t i = 0; i < n_alive; i++) {
            const uint32_t other = alive[i];
            const size_t begin = offset[other];
            const size_t end = begin + rg_round_up(g->values[other].bytes, RG_PLAN_ALIGN);
            if (lives[other].last >= lives[v].first && at < end && begin < at + bytes) {
                at = end;
                moved = true;
            }
        }
    }
    return at;
}

rg_status rg_plan_make(const rg_mem *mem, const rg_graph *g, const uint32_t *section, rg_plan *out,
                       rg_error *err) {
    rg_status status = RG_OK;
    rg_plan plan = {.mem = mem};
    life *lives = rg_new_array(mem, g->n_values, sizeof *lives);
    uint32_t *alive = rg_new_array(mem, g->n_values, sizeof *alive);
    uint32_t *born = rg_new_array(mem, g->n_values, sizeof *born);
    size_t n_alive = 0;
    plan.offset = rg_new_array(mem, g->n_values, sizeof *plan.offset);
    if (lives == NULL || alive == NULL || born == NULL || plan.offset == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory to plan %zu values", g->n_values);
        goto done;
    }
    find_lives(g, section, lives);

    // the dead leave the list of the living as we pass
    const size_t n_born = list_births(g, plan.offset, born);
    for (size_t b = 0; b < n_born; b++) {
        const uint32_t v = born[b];
        size_t kept = 0;
        for (size_t i = 0; i < n_alive; i++) {
            if (lives[alive[i]].last >= lives[v].first) {
                alive[kept++] = alive[i];
            }
        }
        n_alive = kept;
        const size_t at = lowest_gap(g, lives, plan.offset, v, alive, n_alive);
        size_t end = 0;
        if (g->values[v].bytes > SIZE_MAX / 4 || at > SIZE_MAX / 4 ||
            !rg_add_size(at, rg_round_up(g->values[v].bytes, RG_PLAN_ALIGN), &end)) {
            status = rg_fail(err, RG_E_LIMIT, "a plan of this size does not fit in memory");
            goto done;
        }
        plan.offset[v] = at;
        plan.arena_bytes = end > plan.arena_bytes ? end : plan.arena_bytes;
        alive[n_alive++] = v;
    }
    *out = plan;
    plan.offset = NULL;

done:
    rg_free(mem, plan.offset);
    rg_free(mem, lives);
    rg_free(mem, alive);
    rg_free(mem, born);
    return status;
}

void rg_plan_clear(rg_plan *plan) {
    if (plan->mem != NULL) {
        rg_free(plan->mem, plan->offset);
    }
    *plan = (rg_plan){0};
}
