/* Which positions a token looks at: a cheap score for each, and the best of them. */
#include "backend/exec_internal.h"

#include <string.h>

enum {
    BLOCK = 64,                  // positions scored at once
    KEPT = 2 * RG_INDEX_TOP_MAX, // candidates kept until the worse half goes
    BINS = 256,
};

/** Positions that may be among the best, ascending. */
typedef struct candidates {
    uint32_t rank[KEPT]; // of a score: ranks compare as scores do
    int32_t pos[KEPT];
    size_t n;
} candidates;

typedef struct workspace {
    float rows[BLOCK * RG_INDEX_DIM_MAX];
    float dots[BLOCK * RG_INDEX_HEADS_MAX];
    candidates best;
    char gemm[RG_GEMM_SCRATCH_BYTES] __attribute__((aligned(64)));
} workspace;

_Static_assert(sizeof(workspace) <= RG_SCRATCH_BYTES, "fits the scratch of a thread");

static uint32_t rank_of(float score) {
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 != 0 ? ~bits : bits | 0x80000000U;
}

// the rank of the n-th best: one digit after the other, from the highest
static uint32_t nth_best(const candidates *c, size_t n) {
    uint32_t known = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        size_t bins[BINS] = {0};
        const uint32_t above = shift == 24 ? 0 : 0xFFFFFFFFU << (shift + 8);
        for (size_t i = 0; i < c->n; i++) {
            if ((c->rank[i] & above) == known) {
                bins[c->rank[i] >> shift & (BINS - 1)]++;
            }
        }
        size_t digit = BINS - 1;
        while (digit > 0 && bins[digit] < n) {
            n -= bins[digit--];
        }
        known |= (uint32_t)digit << shift;
    }
    return known;
}

// only the n best stay, of equals the first
static void keep_best(candidates *c, size_t n) {
    if (c->n <= n) {
        return;
    }
    const uint32_t least = nth_best(c, n);
    size_t n_equal = n;
    for (size_t i = 0; i < c->n; i++) {
        n_equal -= c->rank[i] > least;
    }
    size_t to = 0;
    for (size_t i = 0; i < c->n; i++) {
        const bool is_equal = c->rank[i] == least && n_equal > 0;
        if (c->rank[i] > least || is_equal) {
            n_equal -= is_equal;
            c->rank[to] = c->rank[i];
            c->pos[to++] = c->pos[i];
        }
    }
    c->n = to;
}

/** Where a layer's keys are. */
typedef struct keys_at {
    size_t offset;  // in a page
    uint32_t ratio; // positions that have one key
} keys_at;

static keys_at find_keys(const rg_kv_layout *layout, uint32_t layer, const rg_op_params *p) {
    if (p->ratio != 0) {
        return (keys_at){rg_kv_compressed(layout, layer).keys, p->ratio};
    }
    return (keys_at){rg_kv_offset(layout, layer) + layout->k_bytes + layout->v_bytes, 1};
}

static void add(candidates *c, size_t n_top, uint32_t rank, int32_t pos) {
    if (c->n == KEPT) {
        keep_best(c, n_top);
    }
    c->rank[c->n] = rank;
    c->pos[c->n++] = pos;
}

// the session of a token, and the keys that it sees: of positions, or of complete groups of them
static const rg_kv_row *row_of(const rg_task *task, const rg_node *node, size_t token,
                               size_t *end) {
    const rg_kv_row *row = task->b->kv->rows;
    while (token >= row->first + row->n_tok) {
        row++;
    }
    *end = (row->pos + (token - row->first) + 1) / (node->p.ratio == 0 ? 1 : node->p.ratio);
    return row;
}

// the best of a token's positions [from, end), left in the workspace
static void scan(const rg_task *task, const rg_node *node, size_t token, size_t from, size_t end,
                 workspace *space) {
    const rg_op_params *p = &node->p;
    const rg_kv_layout *layout = task->b->kv->layout;
    const rg_dtype_info *info = rg_dtype_get(layout->dtype);
    const size_t dim = p->head_dim, n_head = p->n_head;
    const keys_at keys = find_keys(layout, rg_task_value(task, node->in[2])->slot, p);
    const float *q = (const float *)rg_task_data(task, node->in[0]) + token * n_head * dim;
    const float *w = (const float *)rg_task_data(task, node->in[1]) + token * n_head;
    size_t all = 0;
    const rg_kv_row *row = row_of(task, node, token, &all);
    space->best.n = 0;
    for (size_t pos = from; pos < end; pos += BLOCK) {
        const size_t n = end - pos < BLOCK ? end - pos : BLOCK;
        for (size_t i = 0; i < n; i++) {
            const size_t last = (pos + i + 1) * keys.ratio - 1;
            const size_t slot = rg_kv_compressed_slot(layout, keys.ratio, last);
            info->to_float(space->rows + i * dim,
                           row->pages[last / layout->page_len] + keys.offset +
                               slot * dim * info->block_bytes,
                           dim);
        }
        const rg_gemm g = {.m = n,
                           .n = n_head,
                           .k = dim,
                           .a = space->rows,
                           .a_row = dim,
                           .a_col = 1,
                           .b = q,
                           .b_stride = dim * sizeof *q,
                           .is_b_by_column = true,
                           .c = space->dots,
                           .ldc = n_head};
        rg_exec_gemm(task->exec)(&g, space->gemm);
        for (size_t i = 0; i < n; i++) {
            float score = 0;
            for (size_t h = 0; h < n_head; h++) {
                const float dot = space->dots[i * n_head + h];
                score += dot > 0 ? dot * w[h] : 0;
            }
            add(&space->best, p->n_top, rank_of(score), (int32_t)(pos + i));
        }
    }
    keep_best(&space->best, p->n_top);
}

// what one part of a token's positions leaves: [0] how many, then ranks, then positions
static int32_t *part_of(const rg_task *task, rg_val v, const rg_op_params *p, size_t chunk) {
    return (int32_t *)rg_task_data(task, v) + chunk * (1 + 2 * (size_t)p->n_top);
}

size_t rg_cpu_candidates_chunks(rg_task *task, const rg_node *node) {
    return rg_task_value(task, node->in[0])->shape[0] * node->p.n_part;
}

void rg_cpu_candidates(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    const rg_op_params *p = &node->p;
    const candidates *best = &((workspace *)scratch)->best;
    const size_t token = chunk / p->n_part;
    int32_t *out = part_of(task, node->out[0], p, chunk);
    size_t end = 0;
    (void)row_of(task, node, token, &end);
    const size_t size = rg_round_up((end + p->n_part - 1) / p->n_part, BLOCK);
    const size_t from = chunk % p->n_part * size;
    out[0] = 0;
    if (end <= p->n_top || from >= end) {
        return; // all of them, or none
    }
    scan(task, node, token, from, end - from < size ? end : from + size, scratch);
    out[0] = (int32_t)best->n;
    memcpy(out + 1, best->rank, best->n * sizeof *best->rank);
    memcpy(out + 1 + p->n_top, best->pos, best->n * sizeof *best->pos);
}

size_t rg_cpu_positions_chunks(rg_task *task, const rg_node *node) {
    return rg_task_value(task, node->in[0])->shape[0];
}

void rg_cpu_positions(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    const rg_op_params *p = &node->p;
    candidates *best = &((workspace *)scratch)->best;
    int32_t *out = (int32_t *)rg_task_data(task, node->out[0]) + chunk * p->n_top;
    size_t end = 0;
    (void)row_of(task, node, chunk, &end);
    memset(out, 0, p->n_top * sizeof *out);
    if (end <= p->n_top) {
        return; // all are looked at
    }
    if (node->n_in == 3) {
        scan(task, node, chunk, 0, end, scratch);
    } else {
        best->n = 0;
        for (size_t i = 0; i < p->n_part; i++) {
            const int32_t *part = part_of(task, node->in[3], p, chunk * p->n_part + i);
            for (size_t j = 0; j < (size_t)part[0]; j++) {
                add(best, p->n_top, (uint32_t)part[1 + j], part[1 + p->n_top + j]);
            }
        }
        keep_best(best, p->n_top);
    }
    memcpy(out, best->pos, best->n * sizeof *out);
}
