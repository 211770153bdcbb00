/*
 * Compressed attention on the cpu. Stretches of positions become rows, which are keys and values at
 * once; a token looks at those that are complete and at the last positions as they are.
 *
 * A token's rows are taken in the same order and the same blocks however a prompt was cut: rows in
 * the pages are read back as they were stored, those of the window are f32 in the session's state
 * as in the step.
 */
#include "backend/compressed_view.h"

#include "kernel/exp.h"
#include "kernel/plain.h"

#include <math.h>

// ---- features to rows ----

/** One compressor of one layer, in one step. */
typedef struct compressor {
    const rg_kv_layout *layout;
    const rg_op_params *p;
    rg_compressed_place place;
    const float *c; // of the step [n_tok][width]
    const float *s;
    const float *ape; // [ratio][width]
    size_t width;     // of c and of s: dim, or twice that where rows overlap
    size_t features;  // in the state
} compressor;

static compressor compressor_of(const rg_task *task, const rg_node *node) {
    const rg_kv_layout *layout = task->b->kv->layout;
    compressor c = {.layout = layout,
                    .p = &node->p,
                    .place = rg_kv_compressed(layout, rg_task_value(task, node->in[5])->slot),
                    .c = rg_task_data(task, node->in[0]),
                    .s = rg_task_data(task, node->in[1]),
                    .ape = rg_task_data(task, node->in[2]),
                    .width = rg_task_value(task, node->in[0])->shape[1]};
    c.features = node->p.is_index ? c.place.key_features : c.place.features;
    return c;
}

// rows that a step completes
static size_t n_completed(const rg_kv_row *row, uint32_t ratio) {
    return (row->pos + row->n_tok) / ratio - row->pos / ratio;
}

// one chunk for each session's features, one for each row completed
size_t rg_cpu_compress_chunks(rg_task *task, const rg_node *node) {
    const rg_kv_batch *kv = task->b->kv;
    size_t n = kv->n_rows;
    for (size_t r = 0; r < kv->n_rows; r++) {
        n += n_completed(&kv->rows[r], node->p.ratio);
    }
    return n;
}

// c and s of a position, from the step or from the state
static void features_at(const compressor *c, const rg_kv_row *row, size_t pos, const float **values,
                        const float **scores) {
    if (pos >= row->pos) {
        const size_t t = row->first + (pos - row->pos);
        *values = c->c + t * c->width;
        *scores = c->s + t * c->width;
        return;
    }
    const float *ring = (const float *)(const void *)row->recurrent + c->features;
    *values = ring + pos % c->place.ring * 2 * c->width;
    *scores = *values + c->width;
}

// the last features of the session, for rows to come
static void keep_features(const compressor *c, const rg_kv_row *row) {
    const size_t ring = c->place.ring, slot = 2 * c->width;
    float *to = (float *)(void *)row->recurrent_next + c->features;
    if (row->n_tok < ring) {
        memcpy(to, (const float *)(const void *)row->recurrent + c->features,
               ring * slot * sizeof *to);
    }
    for (size_t t = row->n_tok > ring ? row->n_tok - ring : 0; t < row->n_tok; t++) {
        float *at = to + (row->pos + t) % ring * slot;
        memcpy(at, c->c + (row->first + t) * c->width, c->width * sizeof *at);
        memcpy(at + c->width, c->s + (row->first + t) * c->width, c->width * sizeof *at);
    }
}

/** A row being made. */
typedef struct columns {
    float out[RG_COMPRESSED_DIM_MAX];
    float top[RG_COMPRESSED_DIM_MAX];
    float sum[RG_COMPRESSED_DIM_MAX];
    rg_slot slots[RG_SLOTS_MAX];
} columns;

static void complete_row(const rg_task *task, const rg_node *node, const compressor *c,
                         const rg_kv_row *row, size_t w, columns *to) {
    const rg_op_params *p = c->p;
    const rg_kernels *kernels = task->exec->options.kernels;
    const size_t dim = p->head_dim, ratio = p->ratio;
    const size_t own = c->width - dim; // first column of what a position gives to its own row
    const size_t n_before = own != 0 && w > 0 ? ratio : 0; // positions of the row before
    float angles[2 * RG_ROPE_HALF_MAX];
    for (size_t j = 0; j < n_before + ratio; j++) {
        const size_t pos = w * ratio - n_before + j;
        const size_t from = j < n_before ? 0 : own;
        rg_slot *slot = &to->slots[j];
        features_at(c, row, pos, &slot->value, &slot->score);
        *slot = (rg_slot){slot->value + from, slot->score + from,
                          c->ape + pos % ratio * c->width + from};
    }
    rg_plain_compress(to->out, to->top, to->sum, to->slots, n_before + ratio, dim);
    kernels->rmsnorm(to->out, dim, to->out, dim, rg_task_data(task, node->in[3]), 1, dim, p->eps);
    rg_plain_rope_angles(angles, (int32_t)(w * ratio), rg_task_data(task, node->in[4]),
                         p->n_rot / 2, 1);
    float *tail = to->out + dim - p->n_rot;
    kernels->rope(tail, tail, 1, p->n_rot, p->n_rot, RG_ROPE_NEIGHBOR, angles,
                  angles + p->n_rot / 2);

    const size_t last = (w + 1) * ratio - 1;
    const size_t size = rg_dtype_get(c->layout->dtype)->block_bytes;
    const size_t offset = p->is_index ? c->place.keys : c->place.rows;
    rg_task_store(task,
                  row->pages[last / c->layout->page_len] + offset +
                      rg_kv_compressed_slot(c->layout, p->ratio, last) * dim * size,
                  to->out, dim);
}

void rg_cpu_compress(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    const rg_kv_batch *kv = task->b->kv;
    const compressor c = compressor_of(task, node);
    _Static_assert(sizeof(columns) <= RG_SCRATCH_BYTES, "fits the scratch of a thread");
    if (chunk < kv->n_rows) {
        keep_features(&c, &kv->rows[chunk]);
        return;
    }
    chunk -= kv->n_rows;
    size_t r = 0;
    while (chunk >= n_completed(&kv->rows[r], node->p.ratio)) {
        chunk -= n_completed(&kv->rows[r++], node->p.ratio);
    }
    complete_row(task, node, &c, &kv->rows[r], kv->rows[r].pos / node->p.ratio + chunk, scratch);
}

// ---- attention ----

enum { BLOCK = 64 }; // rows looked at together

typedef struct workspace {
    float rows[BLOCK * RG_COMPRESSED_DIM_MAX];
    float p[RG_COMPRESSED_HEADS_MAX * BLOCK]; // scores, then weights
    float top[RG_COMPRESSED_HEADS_MAX];
    float sum[RG_COMPRESSED_HEADS_MAX];
    char gemm[RG_GEMM_SCRATCH_BYTES] __attribute__((aligned(64)));
} workspace;

_Static_assert(sizeof(workspace) <= RG_SCRATCH_BYTES, "fits the scratch of a thread");

// one chunk for each token, one for the window of each session
size_t rg_cpu_compressed_attention_chunks(rg_task *task, const rg_node *node) {
    const bool has_state = rg_task_value(task, node->in[3])->kind == RG_VAL_STATE;
    return rg_task_value(task, node->in[0])->shape[0] + (has_state ? task->b->kv->n_rows : 0);
}

static void keep_window(const rg_task *task, const rg_node *node, const rg_kv_row *row) {
    const rg_op_params *p = &node->p;
    const size_t dim = p->head_dim, window = p->window;
    const size_t at =
        rg_kv_compressed(task->b->kv->layout, rg_task_value(task, node->in[3])->slot).window;
    const float *kv = (const float *)rg_task_data(task, node->in[1]) + row->first * dim;
    float *to = (float *)(void *)row->recurrent_next + at;
    if (row->n_tok < window) {
        memcpy(to, (const float *)(const void *)row->recurrent + at, window * dim * sizeof *to);
    }
    for (size_t t = row->n_tok > window ? row->n_tok - window : 0; t < row->n_tok; t++) {
        memcpy(to + (row->pos + t) % window * dim, kv + t * dim, dim * sizeof *to);
    }
}

// scores of a block to weights; what was summed so far is brought to the new top
static void take_scores(const rg_view *v, workspace *space, size_t n, float *out) {
    const size_t dim = v->p->head_dim;
    for (size_t h = 0; h < v->p->n_head; h++, out += dim) {
        float *p = space->p + h * BLOCK;
        float top = space->top[h];
        for (size_t j = 0; j < n; j++) {
            p[j] *= v->p->scale;
            top = p[j] > top ? p[j] : top;
        }
        // nothing is relative to minus infinity
        const float base = top == -INFINITY ? 0 : top;
        const float keep = rg_exp(space->top[h] - base);
        space->sum[h] *= keep;
        for (size_t i = 0; i < dim; i++) {
            out[i] *= keep;
        }
        for (size_t j = 0; j < n; j++) {
            p[j] = rg_exp(p[j] - base);
            space->sum[h] += p[j];
        }
        space->top[h] = top;
    }
}

void rg_cpu_compressed_attention(const rg_task *task, const rg_node *node, size_t chunk,
                                 void *scratch) {
    const rg_op_params *p = &node->p;
    const size_t dim = p->head_dim;
    const bool has_state = rg_task_value(task, node->in[3])->kind == RG_VAL_STATE;
    const size_t n_rows = has_state ? task->b->kv->n_rows : 0;
    workspace *space = scratch;
    if (chunk < n_rows) {
        keep_window(task, node, &task->b->kv->rows[chunk]);
        return;
    }
    const size_t t = chunk - n_rows;
    const rg_view v =
        has_state ? rg_view_of_state(task, node, t) : rg_view_of_graph(task, node, 0, t);
    const float *q = (const float *)rg_task_data(task, node->in[0]) + t * p->n_head * dim;
    const float *sinks = rg_task_data(task, node->in[2]);
    float *out = (float *)rg_task_data(task, node->out[0]) + t * p->n_head * dim;
    memset(out, 0, p->n_head * dim * sizeof *out);
    for (size_t h = 0; h < p->n_head; h++) {
        space->top[h] = sinks[h]; // the sink is the first of all, with no value
        space->sum[h] = 1;
    }
    for (size_t from = 0; from < v.n; from += BLOCK) {
        const size_t n = v.n - from < BLOCK ? v.n - from : BLOCK;
        rg_view_gather(&v, from, n, space->rows);
        const rg_gemm scores = {.m = p->n_head,
                                .n = n,
                                .k = dim,
                                .a = q,
                                .a_row = dim,
                                .a_col = 1,
                                .b = space->rows,
                                .b_stride = dim * sizeof *q,
                                .is_b_by_column = true,
                                .c = space->p,
                                .ldc = BLOCK};
        rg_exec_gemm(task->exec)(&scores, space->gemm);
        take_scores(&v, space, n, out);
        const rg_gemm values = {.m = p->n_head,
                                .n = dim,
                                .k = n,
                                .a = space->p,
                                .a_row = BLOCK,
                                .a_col = 1,
                                .b = space->rows,
                                .b_stride = dim * sizeof *q,
                                .c = out,
                                .ldc = dim,
                                .is_added = true};
        rg_exec_gemm(task->exec)(&values, space->gemm);
    }
    for (size_t h = 0; h < p->n_head; h++) {
        for (size_t i = 0; i < dim; i++) {
            out[h * dim + i] /= space->sum[h];
        }
    }
}
