/*
 * Compressed attention on the cpu. Stretches of positions become rows, which are keys and values at
 * once; a token looks at those that are complete and at the last positions as they are.
 *
 * A token's rows are taken in the same order and the same blocks however a prompt was cut: rows in
 * the pages are read back as they were stored, those of the window are f32 in the session's state
 * as in the step.
 */
#include "backend/exec_internal.h"

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

/** The softmax of each column so far. */
typedef struct columns {
    float out[RG_COMPRESSED_DIM_MAX];
    float top[RG_COMPRESSED_DIM_MAX];
    float sum[RG_COMPRESSED_DIM_MAX];
} columns;

// one position's part in row w: of the one before it the first columns, of its own the last
static void take_position(const compressor *c, const rg_kv_row *row, columns *to, size_t pos,
                          size_t from, bool is_top) {
    const size_t dim = c->p->head_dim;
    const float *values, *scores;
    const float *ape = c->ape + pos % c->p->ratio * c->width + from;
    features_at(c, row, pos, &values, &scores);
    values += from;
    scores += from;
    for (size_t i = 0; i < dim; i++) {
        const float s = scores[i] + ape[i];
        if (is_top) {
            to->top[i] = s > to->top[i] ? s : to->top[i];
        } else {
            const float weight = expf(s - to->top[i]);
            to->sum[i] += weight;
            to->out[i] += weight * values[i];
        }
    }
}

static void complete_row(const rg_task *task, const rg_node *node, const compressor *c,
                         const rg_kv_row *row, size_t w, columns *to) {
    const rg_op_params *p = c->p;
    const rg_kernels *kernels = task->exec->options.kernels;
    const size_t dim = p->head_dim, ratio = p->ratio;
    const size_t own = c->width - dim; // first column of what a position gives to its own row
    float angles[2 * RG_ROPE_HALF_MAX];
    for (size_t i = 0; i < dim; i++) {
        to->top[i] = -INFINITY;
        to->sum[i] = to->out[i] = 0;
    }
    for (int pass = 0; pass < 2; pass++) {
        for (size_t j = 0; j < ratio && own != 0 && w > 0; j++) {
            take_position(c, row, to, (w - 1) * ratio + j, 0, pass == 0);
        }
        for (size_t j = 0; j < ratio; j++) {
            take_position(c, row, to, w * ratio + j, own, pass == 0);
        }
    }
    for (size_t i = 0; i < dim; i++) {
        to->out[i] /= to->sum[i];
    }
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

/** What one token looks at: compressed rows, then positions. */
typedef struct view {
    const rg_kv_layout *layout;
    const rg_kv_row *row;
    const rg_op_params *p;
    rg_compressed_place place;
    const float *kv;       // of the session's first token in the step
    const int32_t *chosen; // compressed rows; NULL: all
    size_t n_compressed;
    size_t first; // position of the window
    size_t n;     // rows in all
} view;

// one chunk for each token, one for the window of each session
size_t rg_cpu_compressed_attention_chunks(rg_task *task, const rg_node *node) {
    return rg_task_value(task, node->in[0])->shape[0] + task->b->kv->n_rows;
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

static view view_of(const rg_task *task, const rg_node *node, const rg_kv_row *row, size_t t) {
    const rg_op_params *p = &node->p;
    const size_t pos = row->pos + (t - row->first);
    view v = {.layout = task->b->kv->layout, .row = row, .p = p};
    v.place = rg_kv_compressed(v.layout, rg_task_value(task, node->in[3])->slot);
    v.kv = (const float *)rg_task_data(task, node->in[1]) + row->first * p->head_dim;
    v.n_compressed = p->ratio == 0 ? 0 : (pos + 1) / p->ratio;
    if (node->n_in == 5) {
        const size_t n_top = rg_task_value(task, node->in[4])->shape[1];
        if (v.n_compressed > n_top) {
            v.chosen = (const int32_t *)rg_task_data(task, node->in[4]) + t * n_top;
            v.n_compressed = n_top;
        }
    }
    v.first = pos + 1 > p->window ? pos + 1 - p->window : 0;
    v.n = v.n_compressed + pos + 1 - v.first;
    return v;
}

// rows [from, from + n) of what the token looks at
static void gather(const view *v, size_t from, size_t n, float *out) {
    const size_t dim = v->p->head_dim;
    const rg_dtype_info *info = rg_dtype_get(v->layout->dtype);
    for (size_t i = from; i < from + n; i++, out += dim) {
        if (i < v->n_compressed) {
            const size_t w = v->chosen == NULL ? i : (size_t)v->chosen[i];
            const size_t last = (w + 1) * v->p->ratio - 1;
            const size_t slot = rg_kv_compressed_slot(v->layout, v->p->ratio, last);
            info->to_float(out,
                           v->row->pages[last / v->layout->page_len] + v->place.rows +
                               slot * dim * info->block_bytes,
                           dim);
            continue;
        }
        const size_t pos = v->first + (i - v->n_compressed);
        const float *state = (const float *)(const void *)v->row->recurrent + v->place.window;
        memcpy(out,
               pos < v->row->pos ? state + pos % v->p->window * dim
                                 : v->kv + (pos - v->row->pos) * dim,
               dim * sizeof *out);
    }
}

// scores of a block to weights; what was summed so far is brought to the new top
static void take_scores(const view *v, workspace *space, size_t n, float *out) {
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
    const rg_kv_batch *kv = task->b->kv;
    const size_t dim = p->head_dim;
    workspace *space = scratch;
    if (chunk < kv->n_rows) {
        keep_window(task, node, &kv->rows[chunk]);
        return;
    }
    const size_t t = chunk - kv->n_rows;
    size_t r = 0;
    while (t >= kv->rows[r].first + kv->rows[r].n_tok) {
        r++;
    }
    const view v = view_of(task, node, &kv->rows[r], t);
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
        gather(&v, from, n, space->rows);
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
