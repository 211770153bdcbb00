/*
 * Compressed attention without a state, and its gradients. Rows lie where their last position is.
 * The way back computes scores again, block by block, as that of plain attention does.
 */
#include "backend/compressed_view.h"

#include "kernel/plain.h"

#include <math.h>

// ---- features to rows ----

enum { COLUMNS = 64 }; // of a row that one chunk takes

/** Some columns of all rows of the graph; inputs c, s, ape, positions from `in` on. */
typedef struct mixing {
    const rg_op_params *p;
    const float *c;
    const float *s;
    const float *ape;
    const int32_t *positions;
    size_t n_tok;
    size_t width; // of c and s: dim, or twice that where rows overlap
    size_t from;  // first of the chunk's columns
    size_t n;
} mixing;

static mixing mixing_of(const rg_task *task, const rg_node *node, size_t in, size_t chunk) {
    const rg_value *c = rg_task_value(task, node->in[in]);
    const size_t from = chunk * COLUMNS;
    const size_t left = node->p.head_dim - from;
    return (mixing){.p = &node->p,
                    .c = rg_task_data(task, node->in[in]),
                    .s = rg_task_data(task, node->in[in + 1]),
                    .ape = rg_task_data(task, node->in[in + 2]),
                    .positions = rg_task_data(task, node->in[in + 3]),
                    .n_tok = c->shape[0],
                    .width = c->shape[1],
                    .from = from,
                    .n = left < COLUMNS ? left : COLUMNS};
}

/** Where a slot's values are: offsets into c and s, and into ape. */
typedef struct slot_at {
    size_t value;
    size_t place;
} slot_at;

// what the row that ends with token t is made of; 0: none ends there
static size_t list_slots(const mixing *m, size_t t, rg_slot *slots, slot_at *at) {
    const size_t ratio = m->p->ratio, own = m->width - m->p->head_dim;
    const size_t pos = t - rg_sample_start(m->positions, m->p->seq_len, t);
    if ((pos + 1) % ratio != 0) {
        return 0;
    }
    const size_t n_before = own != 0 && pos >= ratio ? ratio : 0;
    for (size_t j = 0; j < n_before + ratio; j++) {
        const size_t from = (j < n_before ? 0 : own) + m->from;
        at[j] = (slot_at){(t + 1 - ratio - n_before + j) * m->width + from,
                          j % ratio * m->width + from};
        slots[j] = (rg_slot){m->c + at[j].value, m->s + at[j].value, m->ape + at[j].place};
    }
    return n_before + ratio;
}

size_t rg_cpu_compress_mix_chunks(rg_task *task, const rg_node *node) {
    (void)task;
    return (node->p.head_dim + COLUMNS - 1) / COLUMNS;
}

void rg_cpu_compress_mix(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    const mixing m = mixing_of(task, node, 0, chunk);
    float *out = rg_task_data(task, node->out[0]);
    rg_slot slots[RG_SLOTS_MAX];
    slot_at at[RG_SLOTS_MAX];
    float top[COLUMNS], sum[COLUMNS];
    (void)scratch;
    for (size_t t = 0; t < m.n_tok; t++) {
        float *row = out + t * m.p->head_dim + m.from;
        const size_t n_slots = list_slots(&m, t, slots, at);
        if (n_slots == 0) {
            memset(row, 0, m.n * sizeof *row);
        } else {
            rg_plain_compress(row, top, sum, slots, n_slots, m.n);
        }
    }
}

// a feature belongs to one row alone, what is added by place to all
void rg_cpu_compress_mix_back(const rg_task *task, const rg_node *node, size_t chunk,
                              void *scratch) {
    const mixing m = mixing_of(task, node, 1, chunk);
    const float *dout = rg_task_data(task, node->in[0]);
    float *dc = rg_task_data(task, node->out[0]);
    float *ds = rg_task_data(task, node->out[1]);
    float *dape = rg_task_data(task, node->out[2]);
    rg_slot slots[RG_SLOTS_MAX];
    slot_at at[RG_SLOTS_MAX];
    float out[COLUMNS], top[COLUMNS], sum[COLUMNS];
    (void)scratch;
    for (size_t from = m.from; from < m.width; from += m.p->head_dim) {
        for (size_t t = 0; t < m.n_tok; t++) {
            memset(dc + t * m.width + from, 0, m.n * sizeof *dc);
            memset(ds + t * m.width + from, 0, m.n * sizeof *ds);
        }
        for (size_t j = 0; j < m.p->ratio; j++) {
            memset(dape + j * m.width + from, 0, m.n * sizeof *dape);
        }
    }
    for (size_t t = 0; t < m.n_tok; t++) {
        const size_t n_slots = list_slots(&m, t, slots, at);
        if (n_slots != 0) {
            rg_plain_compress(out, top, sum, slots, n_slots, m.n);
        }
        for (size_t j = 0; j < n_slots; j++) {
            rg_plain_compress_back(dc + at[j].value, ds + at[j].value,
                                   dout + t * m.p->head_dim + m.from, out, top, sum, &slots[j],
                                   m.n);
            task->exec->options.kernels->add(dape + at[j].place, dape + at[j].place,
                                             ds + at[j].value, m.n);
        }
    }
}

// ---- attention, back ----

enum { BLOCK = 32 }; // rows looked at together

typedef struct workspace {
    float rows[BLOCK * RG_COMPRESSED_DIM_MAX];
    float drows[BLOCK * RG_COMPRESSED_DIM_MAX];
    float s[RG_COMPRESSED_HEADS_MAX * BLOCK];  // scores, then probabilities
    float dp[RG_COMPRESSED_HEADS_MAX * BLOCK]; // their gradients, then those of scores
    rg_softmax_row softmax[RG_COMPRESSED_HEADS_MAX];
    char gemm[RG_GEMM_SCRATCH_BYTES] __attribute__((aligned(64)));
} workspace;

_Static_assert(sizeof(workspace) <= RG_SCRATCH_BYTES, "fits the scratch of a thread");

/** One token on its way back. */
typedef struct back {
    const rg_task *task;
    const rg_op_params *p;
    rg_view v;
    const float *q; // [heads][dim]
    const float *dout;
    workspace *space;
} back;

// to [heads][BLOCK] = x rows^T
static void products(const back *b, const float *x, size_t n, float *to) {
    const size_t dim = b->p->head_dim;
    const rg_gemm g = {.m = b->p->n_head,
                       .n = n,
                       .k = dim,
                       .a = x,
                       .a_row = dim,
                       .a_col = 1,
                       .b = b->space->rows,
                       .b_stride = dim * sizeof *x,
                       .is_b_by_column = true,
                       .c = to,
                       .ldc = BLOCK};
    rg_exec_gemm(b->task->exec)(&g, b->space->gemm);
}

static void score_block(const back *b, size_t from, size_t n) {
    rg_view_gather(&b->v, from, n, b->space->rows);
    products(b, b->q, n, b->space->s);
    products(b, b->dout, n, b->space->dp);
}

// drows = x^T of all heads, or more of it
static void add_turned(const back *b, const float *x, const float *of, size_t n, bool is_added) {
    const size_t dim = b->p->head_dim;
    const rg_gemm g = {.m = n,
                       .n = dim,
                       .k = b->p->n_head,
                       .a = x,
                       .a_row = 1,
                       .a_col = BLOCK,
                       .b = of,
                       .b_stride = dim * sizeof *of,
                       .c = b->space->drows,
                       .ldc = dim,
                       .is_added = is_added};
    rg_exec_gemm(b->task->exec)(&g, b->space->gemm);
}

// gradients of a block's rows to where the rows came from: of position 0 and those after it
static void scatter(const back *b, size_t from, size_t n, float *dkv, float *drows) {
    const size_t dim = b->p->head_dim;
    for (size_t i = from; i < from + n; i++) {
        const size_t pos = i < b->v.n_compressed ? (i + 1) * b->p->ratio - 1
                                                 : b->v.first + (i - b->v.n_compressed);
        float *to = (i < b->v.n_compressed ? drows : dkv) + pos * dim;
        b->task->exec->options.kernels->add(to, to, b->space->drows + (i - from) * dim, dim);
    }
}

static void token_back(const back *b, const float *sinks, float *dq, float *dkv, float *dsinks,
                       float *drows) {
    const rg_kernels *kernels = b->task->exec->options.kernels;
    const size_t dim = b->p->head_dim, n_head = b->p->n_head;
    workspace *space = b->space;
    for (size_t h = 0; h < n_head; h++) {
        space->softmax[h] = (rg_softmax_row){.top = sinks[h], .sum = 1}; // which has no value
    }
    for (size_t from = 0; from < b->v.n; from += BLOCK) {
        const size_t n = b->v.n - from < BLOCK ? b->v.n - from : BLOCK;
        score_block(b, from, n);
        for (size_t h = 0; h < n_head; h++) {
            kernels->softmax_take(&space->softmax[h], space->s + h * BLOCK, space->dp + h * BLOCK,
                                  n, b->p->scale);
        }
    }
    for (size_t h = 0; h < n_head; h++) {
        const rg_softmax_row *row = &space->softmax[h];
        const double p = exp((double)sinks[h] - (double)row->top) / row->sum;
        dsinks[h] = (float)(-p * row->mean / row->sum);
    }
    for (size_t from = 0; from < b->v.n; from += BLOCK) {
        const size_t n = b->v.n - from < BLOCK ? b->v.n - from : BLOCK;
        score_block(b, from, n);
        for (size_t h = 0; h < n_head; h++) {
            kernels->softmax_back(&space->softmax[h], space->s + h * BLOCK, space->dp + h * BLOCK,
                                  n, b->p->scale);
        }
        const rg_gemm g = {.m = n_head,
                           .n = dim,
                           .k = n,
                           .a = space->dp,
                           .a_row = BLOCK,
                           .a_col = 1,
                           .b = space->rows,
                           .b_stride = dim * sizeof *dq,
                           .c = dq,
                           .ldc = dim,
                           .is_added = from != 0};
        rg_exec_gemm(b->task->exec)(&g, space->gemm);
        add_turned(b, space->dp, b->q, n, false);
        add_turned(b, space->s, b->dout, n, true);
        scatter(b, from, n, dkv, drows);
    }
}

// chunks are rows of the batch: nothing else writes the gradients of their tokens
size_t rg_cpu_compressed_back_chunks(rg_task *task, const rg_node *node) {
    const size_t n_tok = rg_task_value(task, node->in[0])->shape[0];
    return node->p.seq_len == 0 ? 1 : n_tok / node->p.seq_len;
}

void rg_cpu_compressed_back(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    const rg_op_params *p = &node->p;
    const size_t n_tok = rg_task_value(task, node->in[0])->shape[0];
    const size_t len = p->seq_len == 0 ? n_tok : p->seq_len;
    const size_t dim = p->head_dim, width = p->n_head * dim;
    const int32_t *positions = rg_task_data(task, node->in[4]);
    const float *sinks = rg_task_data(task, node->in[3]);
    float *dq = rg_task_data(task, node->out[0]);
    float *dkv = rg_task_data(task, node->out[1]);
    float *dsinks = rg_task_data(task, node->out[2]);
    float *drows = rg_task_data(task, node->out[3]);
    memset(dkv + chunk * len * dim, 0, len * dim * sizeof *dkv);
    memset(drows + chunk * len * dim, 0, len * dim * sizeof *drows);
    for (size_t t = chunk * len; t < (chunk + 1) * len; t++) {
        const size_t start = rg_sample_start(positions, p->seq_len, t);
        const back b = {.task = task,
                        .p = p,
                        .v = rg_view_of_graph(task, node, 1, t),
                        .q = (const float *)rg_task_data(task, node->in[1]) + t * width,
                        .dout = (const float *)rg_task_data(task, node->in[0]) + t * width,
                        .space = scratch};
        token_back(&b, sinks, dq + t * width, dkv + start * dim, dsinks + t * p->n_head,
                   drows + start * dim);
    }
}
