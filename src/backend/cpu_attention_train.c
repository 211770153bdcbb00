/*
 * Attention without a state and its gradients, block by block: never more than QUERIES x KEYS
 * scores at a time. The way back computes them again. Source: Dao et al. 2022, arXiv
 * 2205.14135, appendix B.
 */
#include "backend/exec_internal.h"

#include "kernel/exp.h"

#include <math.h>
#include <string.h>

enum {
    QUERIES = 64,
    KEYS = 512,
};

/** One query head of one sequence and the key-value head that it reads. */
typedef struct heads {
    const rg_kernels *kernels;
    rg_gemm_fn *gemm;
    const rg_op_params *p;
    size_t n_tok;
    const int32_t *positions; // of the sequence's tokens: each run from 0 on is one; NULL: one
    // the head's values of the first token; strides in floats
    const float *q;
    const float *k;
    const float *v;
    const float *dy;
    float *y;
    float *dq;
    float *dk;
    float *dv;
    size_t q_stride;
    size_t k_stride;
    size_t v_stride;
    size_t y_stride;
    void *scratch;        // of the products
    float *s;             // [QUERIES][KEYS]: scores, then probabilities
    float *dp;            // [QUERIES][KEYS]: gradients of probabilities, then of scores
    size_t ends[QUERIES]; // of the queries at work: behind the last key that each sees
    rg_softmax_row rows[QUERIES];
} heads;

// queries [q, q + n_q) by keys [k, k + n_k)
typedef struct block {
    size_t q;
    size_t n_q;
    size_t k;
    size_t n_k;
} block;

// the first key that query t sees
static size_t first_key(const heads *h, size_t t) {
    size_t from = h->p->window != 0 && t + 1 > h->p->window ? t + 1 - h->p->window : 0;
    size_t pos = t;
    if (h->positions != NULL) {
        // a position that its row cannot have hides nothing: it is the caller's to exclude
        const size_t back = (uint32_t)h->positions[t];
        const size_t start = back <= t ? t - back : 0;
        from = from > start ? from : start;
        pos = t - start;
    }
    if (h->p->chunk != 0) {
        const size_t begin = t - pos % h->p->chunk;
        from = from > begin ? from : begin;
    }
    return from;
}

// where the keys of queries [q, q + n) end: at themselves, or with their sequence
static void find_ends(heads *h, size_t q, size_t n) {
    size_t end = q + n;
    while (h->p->sees_ahead && end < h->n_tok && (h->positions == NULL || h->positions[end] != 0)) {
        end++;
    }
    for (size_t i = n; i-- > 0;) {
        h->ends[i] = h->p->sees_ahead ? end : q + i + 1;
        end = h->positions != NULL && h->positions[q + i] == 0 ? q + i : end;
    }
}

// keys that query i of the block sees within it: [*lo, *hi)
static void visible(const heads *h, const block *b, size_t i, size_t *lo, size_t *hi) {
    const size_t from = first_key(h, b->q + i);
    *lo = from > b->k ? from - b->k : 0;
    *hi = h->ends[i] > b->k ? h->ends[i] - b->k : 0;
    *hi = *hi < b->n_k ? *hi : b->n_k;
    *lo = *lo < *hi ? *lo : *hi;
}

// out = x[q rows] y[k rows]^T
static void scores(const heads *h, const block *b, const float *x, size_t x_stride, const float *y,
                   size_t y_stride, size_t dim, float *out) {
    const rg_gemm g = {.m = b->n_q,
                       .n = b->n_k,
                       .k = dim,
                       .a = x + b->q * x_stride,
                       .a_row = x_stride,
                       .a_col = 1,
                       .b = y + b->k * y_stride,
                       .b_stride = y_stride * sizeof *y,
                       .is_b_by_column = true,
                       .c = out,
                       .ldc = KEYS};
    h->gemm(&g, h->scratch);
}

static void take_block(heads *h, const block *b) {
    scores(h, b, h->q, h->q_stride, h->k, h->k_stride, h->p->head_dim, h->s);
    if (h->dy != NULL) {
        scores(h, b, h->dy, h->y_stride, h->v, h->v_stride, h->p->v_dim, h->dp);
    }
}

static void take_rows(heads *h, const block *b) {
    for (size_t i = 0; i < b->n_q; i++) {
        size_t lo, hi;
        visible(h, b, i, &lo, &hi);
        h->kernels->softmax_take(&h->rows[i], h->s + i * KEYS + lo,
                                 h->dy == NULL ? NULL : h->dp + i * KEYS + lo, hi - lo,
                                 h->p->scale);
    }
}

// probabilities and gradients of scores; zero where a query sees nothing
static void finish_rows(heads *h, const block *b) {
    for (size_t i = 0; i < b->n_q; i++) {
        size_t lo, hi;
        float *s = h->s + i * KEYS;
        float *dp = h->dp + i * KEYS;
        visible(h, b, i, &lo, &hi);
        h->kernels->softmax_back(&h->rows[i], s + lo, h->dy == NULL ? NULL : dp + lo, hi - lo,
                                 h->p->scale);
        memset(s, 0, lo * sizeof *s);
        memset(s + hi, 0, (b->n_k - hi) * sizeof *s);
        if (h->dy != NULL) {
            memset(dp, 0, lo * sizeof *dp);
            memset(dp + hi, 0, (b->n_k - hi) * sizeof *dp);
        }
    }
}

// to[k rows] += x^T from[q rows], x [n_q][KEYS]
static void add_turned(const heads *h, const block *b, const float *x, const float *from,
                       size_t from_stride, size_t dim, float *to, size_t to_stride) {
    const rg_gemm g = {.m = b->n_k,
                       .n = dim,
                       .k = b->n_q,
                       .a = x,
                       .a_row = 1,
                       .a_col = KEYS,
                       .b = from + b->q * from_stride,
                       .b_stride = from_stride * sizeof *from,
                       .c = to + b->k * to_stride,
                       .ldc = to_stride,
                       .is_added = true};
    h->gemm(&g, h->scratch);
}

// y[q rows] += p v[k rows]
static void add_values(const heads *h, const block *b, bool is_first) {
    const rg_gemm g = {.m = b->n_q,
                       .n = h->p->v_dim,
                       .k = b->n_k,
                       .a = h->s,
                       .a_row = KEYS,
                       .a_col = 1,
                       .b = h->v + b->k * h->v_stride,
                       .b_stride = h->v_stride * sizeof *h->v,
                       .c = h->y + b->q * h->y_stride,
                       .ldc = h->y_stride,
                       .is_added = !is_first};
    h->gemm(&g, h->scratch);
}

static void add_gradients(const heads *h, const block *b, bool is_first) {
    const rg_gemm dq = {.m = b->n_q,
                        .n = h->p->head_dim,
                        .k = b->n_k,
                        .a = h->dp,
                        .a_row = KEYS,
                        .a_col = 1,
                        .b = h->k + b->k * h->k_stride,
                        .b_stride = h->k_stride * sizeof *h->k,
                        .c = h->dq + b->q * h->q_stride,
                        .ldc = h->q_stride,
                        .is_added = !is_first};
    h->gemm(&dq, h->scratch);
    add_turned(h, b, h->dp, h->q, h->q_stride, h->p->head_dim, h->dk, h->k_stride);
    add_turned(h, b, h->s, h->dy, h->y_stride, h->p->v_dim, h->dv, h->v_stride);
}

// of keys that end at `end`
static block block_at(size_t q, size_t n_q, size_t k, size_t end) {
    return (block){q, n_q, k, end - k < KEYS ? end - k : KEYS};
}

// Forward over several blocks of keys: what was gathered counts less when a larger score comes.
// Source: Milakov, Gimelshein 2018, arXiv 1805.02867.
static void gather_values(heads *h, size_t q, size_t n_q, size_t first, size_t end) {
    for (size_t k = first; k < end; k += KEYS) {
        const block b = block_at(q, n_q, k, end);
        take_block(h, &b);
        for (size_t i = 0; i < n_q; i++) {
            size_t lo, hi;
            rg_softmax_row *row = &h->rows[i];
            float *s = h->s + i * KEYS;
            float *y = h->y + (q + i) * h->y_stride;
            const float top = row->top;
            visible(h, &b, i, &lo, &hi);
            h->kernels->softmax_take(row, s + lo, NULL, hi - lo, h->p->scale);
            if (row->top > top && k != first) {
                const float factor = rg_exp(top - row->top);
                for (size_t v = 0; v < h->p->v_dim; v++) {
                    y[v] *= factor;
                }
            }
            const rg_softmax_row so_far = {.top = row->top, .sum = 1};
            h->kernels->softmax_back(&so_far, s + lo, NULL, hi - lo, h->p->scale);
            memset(s, 0, lo * sizeof *s);
            memset(s + hi, 0, (b.n_k - hi) * sizeof *s);
        }
        add_values(h, &b, k == first);
    }
    for (size_t i = 0; i < n_q; i++) {
        float *y = h->y + (q + i) * h->y_stride;
        const float share = (float)(1 / h->rows[i].sum);
        for (size_t v = 0; v < h->p->v_dim; v++) {
            y[v] *= share;
        }
    }
}

// on the way back over several blocks of keys every score is computed twice: for its row, then for
// good
static void run_queries(heads *h, size_t q) {
    const size_t n_q = h->n_tok - q < QUERIES ? h->n_tok - q : QUERIES;
    size_t first = q;
    find_ends(h, q, n_q);
    const size_t end = h->ends[n_q - 1]; // no query of the block sees further than its last
    for (size_t i = 0; i < n_q; i++) {
        h->rows[i] = (rg_softmax_row){.top = -INFINITY};
        const size_t from = first_key(h, q + i);
        first = from < first ? from : first;
    }
    if (h->dy == NULL && end - first > KEYS) {
        gather_values(h, q, n_q, first, end);
        return;
    }
    for (size_t k = first; k < end; k += KEYS) {
        const block b = block_at(q, n_q, k, end);
        take_block(h, &b);
        take_rows(h, &b);
    }
    for (size_t k = first; k < end; k += KEYS) {
        const block b = block_at(q, n_q, k, end);
        if (end - first > KEYS) {
            take_block(h, &b);
        }
        finish_rows(h, &b);
        if (h->dy != NULL) {
            add_gradients(h, &b, k == first);
        } else {
            add_values(h, &b, k == first);
        }
    }
}

// q, k, v are inputs [at, at + 3) of the node, positions may follow
static heads heads_of(const rg_task *task, const rg_node *node, size_t at, size_t chunk,
                      void *scratch) {
    const rg_op_params *p = &node->p;
    const size_t n_tok = rg_task_sequence(task, node);
    const size_t first = chunk / p->n_kv_head * n_tok;
    const size_t kv_head = chunk % p->n_kv_head;
    heads h = {.kernels = task->exec->options.kernels,
               .gemm = rg_exec_gemm(task->exec),
               .p = p,
               .n_tok = n_tok,
               .q_stride = (size_t)p->n_head * p->head_dim,
               .k_stride = (size_t)p->n_kv_head * p->head_dim,
               .v_stride = (size_t)p->n_kv_head * p->v_dim,
               .y_stride = (size_t)p->n_head * p->v_dim,
               .scratch = scratch};
    _Static_assert(RG_GEMM_SCRATCH_BYTES + 2 * QUERIES * KEYS * sizeof(float) <= RG_SCRATCH_BYTES,
                   "blocks fit beside the products");
    h.s = (float *)(void *)((char *)scratch + RG_GEMM_SCRATCH_BYTES);
    h.dp = h.s + QUERIES * KEYS;
    h.k = (const float *)rg_task_data(task, node->in[at + 1]) + first * h.k_stride +
          kv_head * p->head_dim;
    h.v = (const float *)rg_task_data(task, node->in[at + 2]) + first * h.v_stride +
          kv_head * p->v_dim;
    if (node->n_in > at + 3) {
        h.positions = (const int32_t *)rg_task_data(task, node->in[at + 3]) + first;
    }
    return h;
}

// chunks are key-value heads of sequences, each with the query heads that share it
size_t rg_cpu_attention_chunks(rg_task *task, const rg_node *node) {
    const size_t n_tok = rg_task_value(task, node->in[0])->shape[0];
    return n_tok / rg_task_sequence(task, node) * node->p.n_kv_head;
}

void rg_cpu_attention(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    const rg_op_params *p = &node->p;
    heads h = heads_of(task, node, 0, chunk, scratch);
    const size_t first = chunk / p->n_kv_head * h.n_tok;
    const size_t group = p->n_head / p->n_kv_head;
    for (size_t i = 0; i < group; i++) {
        const size_t head = chunk % p->n_kv_head * group + i;
        h.q = (const float *)rg_task_data(task, node->in[0]) + first * h.q_stride +
              head * p->head_dim;
        h.y = (float *)rg_task_data(task, node->out[0]) + first * h.y_stride + head * p->v_dim;
        for (size_t q = 0; q < h.n_tok; q += QUERIES) {
            run_queries(&h, q);
        }
    }
}

// nothing else writes this key-value head's gradients
void rg_cpu_attention_back(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    const rg_op_params *p = &node->p;
    heads h = heads_of(task, node, 1, chunk, scratch);
    const size_t first = chunk / p->n_kv_head * h.n_tok;
    const size_t kv_head = chunk % p->n_kv_head;
    const size_t group = p->n_head / p->n_kv_head;
    h.dk = (float *)rg_task_data(task, node->out[1]) + first * h.k_stride + kv_head * p->head_dim;
    h.dv = (float *)rg_task_data(task, node->out[2]) + first * h.v_stride + kv_head * p->v_dim;
    for (size_t t = 0; t < h.n_tok; t++) {
        memset(h.dk + t * h.k_stride, 0, p->head_dim * sizeof(float));
        memset(h.dv + t * h.v_stride, 0, p->v_dim * sizeof(float));
    }
    for (size_t i = 0; i < group; i++) {
        const size_t head = kv_head * group + i;
        const size_t at_q = first * h.q_stride + head * p->head_dim;
        h.q = (const float *)rg_task_data(task, node->in[1]) + at_q;
        h.dq = (float *)rg_task_data(task, node->out[0]) + at_q;
        h.dy =
            (const float *)rg_task_data(task, node->in[0]) + first * h.y_stride + head * p->v_dim;
        for (size_t q = 0; q < h.n_tok; q += QUERIES) {
            run_queries(&h, q);
        }
    }
}
