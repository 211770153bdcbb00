/* Experts on the cpu: tokens in the order of the experts that they go to, so that each expert's
 * matrix is read once for all of its tokens. */
#include "backend/exec_internal.h"

#include "kernel/route.h"

#include <string.h>

enum {
    CHUNK_TOKENS = 16, // whose rows are added up
};

// ---- choosing ----

static rg_route_score score_of(rg_router_score score) {
    switch (score) {
    case RG_ROUTER_SIGMOID:
        return RG_ROUTE_SIGMOID;
    case RG_ROUTER_SQRT_SOFTPLUS:
        return RG_ROUTE_SQRT_SOFTPLUS;
    case RG_ROUTER_SOFTMAX:
        break;
    }
    return RG_ROUTE_SOFTMAX;
}

static rg_router router_of(const rg_node *node, size_t n_expert) {
    const rg_op_params *p = &node->p;
    return (rg_router){.n_expert = n_expert,
                       .n_top = p->n_top,
                       .n_group = p->n_group == 0 ? 1 : p->n_group,
                       .n_group_used = p->n_group == 0 ? 1 : p->n_group_used,
                       .score = score_of(p->score),
                       .is_group_by_two = p->is_group_by_two,
                       .is_renormed = p->is_renormed,
                       .scale = p->scale};
}

void rg_cpu_route(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n = rg_task_value(task, node->in[0])->shape[1];
    const rg_router r = router_of(node, n);
    const float *logits = rg_task_data(task, node->in[0]);
    const float *bias = node->n_in == 2 ? rg_task_data(task, node->in[1]) : NULL;
    float *weights = rg_task_data(task, node->out[0]);
    int32_t *chosen = rg_task_data(task, node->out[1]);
    float scores[RG_EXPERTS_MAX];
    for (size_t t = from; t < to; t++) {
        rg_route_choose(&r, logits + t * n, bias, scores, weights + t * r.n_top,
                        chosen + t * r.n_top);
    }
}

// the list of a token's id, which exec.c has checked, names experts that whoever loaded it has
void rg_cpu_route_listed(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n = rg_task_value(task, node->in[0])->shape[1];
    const rg_router r = router_of(node, n);
    const float *logits = rg_task_data(task, node->in[0]);
    const int32_t *table = rg_task_data(task, node->in[1]);
    const int32_t *ids = rg_task_data(task, node->in[2]);
    float *weights = rg_task_data(task, node->out[0]);
    int32_t *chosen = rg_task_data(task, node->out[1]);
    float scores[RG_EXPERTS_MAX];
    for (size_t t = from; t < to; t++) {
        int32_t *list = chosen + t * r.n_top;
        memcpy(list, table + (size_t)ids[t] * r.n_top, r.n_top * sizeof *list);
        rg_route_weigh(&r, logits + t * n, list, scores, weights + t * r.n_top);
    }
}

void rg_cpu_route_dx(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n = rg_task_value(task, node->in[1])->shape[1];
    const rg_router r = router_of(node, n);
    const float *dweights = rg_task_data(task, node->in[0]);
    const float *logits = rg_task_data(task, node->in[1]);
    const int32_t *chosen = rg_task_data(task, node->in[2]);
    float *dlogits = rg_task_data(task, node->out[0]);
    float scores[RG_EXPERTS_MAX];
    for (size_t t = from; t < to; t++) {
        rg_route_gradient(&r, dweights + t * r.n_top, logits + t * n, chosen + t * r.n_top, scores,
                          dlogits + t * n);
    }
}

// tokens counted by expert, then put in order; one expert's tokens stay in theirs
void rg_cpu_dispatch(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    (void)chunk;
    (void)scratch;
    const rg_value *v = rg_task_value(task, node->in[0]);
    const size_t n_top = v->shape[1];
    const size_t n = v->shape[0] * n_top;
    const size_t n_expert = node->p.n_rows;
    const int32_t *chosen = rg_task_data(task, node->in[0]);
    int32_t *tokens = rg_task_data(task, node->out[0]);
    int32_t *places = rg_task_data(task, node->out[1]);
    int32_t *starts = rg_task_data(task, node->out[2]);
    int32_t next[RG_EXPERTS_MAX];
    memset(starts, 0, (n_expert + 1) * sizeof *starts);
    for (size_t i = 0; i < n; i++) {
        starts[chosen[i] + 1]++;
    }
    for (size_t e = 0; e < n_expert; e++) {
        starts[e + 1] += starts[e];
        next[e] = starts[e];
    }
    for (size_t i = 0; i < n; i++) {
        const int32_t place = next[chosen[i]]++;
        places[i] = place;
        tokens[place] = (int32_t)(i / n_top);
    }
}

// ---- products ----

/** One expert that has tokens. */
typedef struct share {
    size_t expert;
    size_t from; // its rows of x
    size_t n;
} share;

static size_t n_busy(const int32_t *starts, size_t n_expert) {
    size_t n = 0;
    for (size_t e = 0; e < n_expert; e++) {
        n += starts[e + 1] > starts[e];
    }
    return n;
}

// the i-th expert that has tokens
static share busy_at(const int32_t *starts, size_t i) {
    size_t e = 0;
    for (;; e++) {
        if (starts[e + 1] > starts[e] && i-- == 0) {
            return (share){e, (size_t)starts[e], (size_t)(starts[e + 1] - starts[e])};
        }
    }
}

static const void *matrix_of(const rg_task *task, rg_val w, size_t expert) {
    return rg_tensor_slab(&task->b->weights[rg_task_value(task, w)->slot], expert);
}

static size_t row_bytes(const rg_value *w) {
    const rg_dtype_info *info = rg_dtype_get(w->dtype);
    return w->shape[2] / info->block * info->block_bytes;
}

static size_t expert_rows(const rg_task *task, const rg_node *node, const int32_t *starts,
                          size_t *n_chunks) {
    const rg_value *w = rg_task_value(task, node->in[1]);
    const size_t n = n_busy(starts, w->shape[0]);
    const bool is_prompt = rg_task_value(task, node->in[0])->shape[0] > n * RG_PANEL_ROWS;
    size_t per_expert = 0;
    const size_t size = rg_cpu_cut_rows(task, w->shape[1], n, is_prompt, &per_expert);
    *n_chunks = per_expert * n;
    return size;
}

size_t rg_cpu_experts_dx_chunks(rg_task *task, const rg_node *node) {
    return n_busy(rg_task_data(task, node->in[2]), rg_task_value(task, node->in[1])->shape[0]);
}

size_t rg_cpu_experts_chunks(rg_task *task, const rg_node *node) {
    if (task->exec->options.is_training) {
        return rg_cpu_experts_dx_chunks(task, node);
    }
    size_t n_chunks = 0;
    task->chunk_size = expert_rows(task, node, rg_task_data(task, node->in[2]), &n_chunks);
    return n_chunks;
}

// y = x w^T of one expert's rows, or dx = dy w
void rg_cpu_experts_dx(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    const share s = busy_at(rg_task_data(task, node->in[2]), chunk);
    const rg_value *w = rg_task_value(task, node->in[1]);
    const rg_value *x = rg_task_value(task, node->in[0]);
    const rg_value *y = rg_task_value(task, node->out[0]);
    const rg_gemm g = {.m = s.n,
                       .n = y->shape[1],
                       .k = x->shape[1],
                       .a = (const float *)rg_task_data(task, node->in[0]) + s.from * x->shape[1],
                       .a_row = x->shape[1],
                       .a_col = 1,
                       .b = matrix_of(task, node->in[1], s.expert),
                       .b_dtype = w->dtype,
                       .b_stride = row_bytes(w),
                       .is_b_by_column = node->op == RG_OP_EXPERTS,
                       .c = (float *)rg_task_data(task, node->out[0]) + s.from * y->shape[1],
                       .ldc = y->shape[1]};
    rg_exec_gemm(task->exec)(&g, scratch);
}

void rg_cpu_experts(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    if (task->exec->options.is_training) {
        rg_cpu_experts_dx(task, node, chunk, scratch);
        return;
    }
    const rg_value *x = rg_task_value(task, node->in[0]);
    const rg_value *w = rg_task_value(task, node->in[1]);
    const size_t per_expert = (w->shape[1] + task->chunk_size - 1) / task->chunk_size;
    const share s = busy_at(rg_task_data(task, node->in[2]), chunk / per_expert);
    const size_t from = chunk % per_expert * task->chunk_size;
    const size_t end = from + task->chunk_size;
    float *y = rg_task_data(task, node->out[0]);
    rg_act act;
    rg_act_init(&act, (rg_act_form)node->p.form, x->shape[0], x->shape[1],
                rg_task_data(task, node->in[0]));
    rg_act_slice(&act, s.from, s.n);
    rg_exec_matmul(task->exec, w->dtype)
        ->fn(y + s.from * w->shape[1], w->shape[1], matrix_of(task, node->in[1], s.expert),
             row_bytes(w), &act, from, end < w->shape[1] ? end : w->shape[1], scratch);
}

// one chunk an expert, for the gradient is cleared where nobody came
size_t rg_cpu_experts_dw_chunks(rg_task *task, const rg_node *node) {
    return rg_task_value(task, node->out[0])->shape[0];
}

// dw = dy^T x of the rows that came to the expert
void rg_cpu_experts_dw(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    const rg_value *dw = rg_task_value(task, node->out[0]);
    const size_t rows = dw->shape[1];
    const size_t width = dw->shape[2];
    const int32_t *starts = rg_task_data(task, node->in[2]);
    const size_t from = (size_t)starts[chunk];
    const size_t n = (size_t)starts[chunk + 1] - from;
    float *c = (float *)rg_task_data(task, node->out[0]) + chunk * rows * width;
    if (n == 0) {
        memset(c, 0, rows * width * sizeof *c);
        return;
    }
    const rg_gemm g = {.m = rows,
                       .n = width,
                       .k = n,
                       .a = (const float *)rg_task_data(task, node->in[0]) + from * rows,
                       .a_row = 1,
                       .a_col = rows,
                       .b = (const float *)rg_task_data(task, node->in[1]) + from * width,
                       .b_dtype = RG_DTYPE_F32,
                       .b_stride = width * sizeof(float),
                       .c = c,
                       .ldc = width};
    rg_exec_gemm(task->exec)(&g, scratch);
}

// ---- back to tokens ----

size_t rg_cpu_combine_chunks(rg_task *task, const rg_node *node) {
    const rg_val weights = node->op == RG_OP_COMBINE ? node->in[1] : node->in[2];
    return (rg_task_value(task, weights)->shape[0] + CHUNK_TOKENS - 1) / CHUNK_TOKENS;
}

void rg_cpu_combine(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    (void)scratch;
    const rg_value *out = rg_task_value(task, node->out[0]);
    const size_t n_top = rg_task_value(task, node->in[1])->shape[1];
    const size_t n = out->shape[1];
    const float *rows = rg_task_data(task, node->in[0]);
    const float *weights = rg_task_data(task, node->in[1]);
    const int32_t *places = rg_task_data(task, node->in[2]);
    float *to = rg_task_data(task, node->out[0]);
    const size_t end = (chunk + 1) * CHUNK_TOKENS;
    for (size_t t = chunk * CHUNK_TOKENS; t < (end < out->shape[0] ? end : out->shape[0]); t++) {
        float *y = to + t * n;
        memset(y, 0, n * sizeof *y);
        for (size_t k = 0; k < n_top; k++) {
            const float w = weights[t * n_top + k];
            const float *row = rows + (size_t)places[t * n_top + k] * n;
            for (size_t i = 0; i < n; i++) {
                y[i] += w * row[i];
            }
        }
    }
}

void rg_cpu_combine_back(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    (void)scratch;
    const rg_value *v = rg_task_value(task, node->in[2]);
    const size_t n_top = v->shape[1];
    const size_t n = rg_task_value(task, node->in[0])->shape[1];
    const float *dout = rg_task_data(task, node->in[0]);
    const float *rows = rg_task_data(task, node->in[1]);
    const float *weights = rg_task_data(task, node->in[2]);
    const int32_t *places = rg_task_data(task, node->in[3]);
    float *drows = rg_task_data(task, node->out[0]);
    float *dweights = rg_task_data(task, node->out[1]);
    const size_t end = (chunk + 1) * CHUNK_TOKENS;
    for (size_t t = chunk * CHUNK_TOKENS; t < (end < v->shape[0] ? end : v->shape[0]); t++) {
        for (size_t k = 0; k < n_top; k++) {
            const float w = weights[t * n_top + k];
            const size_t place = (size_t)places[t * n_top + k];
            double sum = 0;
            for (size_t i = 0; i < n; i++) {
                drows[place * n + i] = w * dout[t * n + i];
                sum += (double)dout[t * n + i] * rows[place * n + i];
            }
            dweights[t * n_top + k] = (float)sum;
        }
    }
}
