/* Gradients of the cpu. Sums run in a fixed order, so the result does not depend on the number of
 * threads. */
#include "backend/exec_internal.h"

#include "kernel/plain.h"

#include <string.h>

size_t rg_cpu_head_chunks(rg_task *task, const rg_node *node) {
    const size_t n_tok = rg_task_value(task, node->in[1])->shape[0];
    return n_tok / rg_task_sequence(task, node) * node->p.n_kv_head;
}

// rows of dy added up where they came from
static void scatter_add(const rg_task *task, const rg_node *node) {
    const rg_value *out = rg_task_value(task, node->out[0]);
    const rg_value *dy = rg_task_value(task, node->in[0]);
    const size_t n = out->shape[1];
    const float *from = rg_task_data(task, node->in[0]);
    const int32_t *ids = rg_task_data(task, node->in[1]);
    float *to = rg_task_data(task, node->out[0]);
    memset(to, 0, out->bytes);
    for (size_t t = 0; t < dy->shape[0]; t++) {
        float *row = to + (size_t)ids[t] * n;
        task->exec->options.kernels->add(row, row, from + t * n, n);
    }
}

void rg_cpu_embed_dw(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    (void)chunk;
    (void)scratch;
    scatter_add(task, node);
}

void rg_cpu_select_rows_dx(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    (void)chunk;
    (void)scratch;
    scatter_add(task, node);
}

void rg_cpu_rmsnorm_dw(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    (void)chunk;
    const rg_value *x = rg_task_value(task, node->in[1]);
    const size_t n = rg_task_value(task, node->out[0])->shape[0];
    const size_t rows = x->shape[0] * (x->shape[1] / n);
    const float *dy = rg_task_data(task, node->in[0]);
    const float *xs = rg_task_data(task, node->in[1]);
    float *dw = rg_task_data(task, node->out[0]);
    double *sum = scratch;
    memset(sum, 0, n * sizeof *sum);
    for (size_t r = 0; r < rows; r++) {
        rg_plain_rmsnorm_dw(sum, dy + r * n, xs + r * n, n, node->p.eps);
    }
    for (size_t i = 0; i < n; i++) {
        dw[i] = (float)sum[i];
    }
}

void rg_cpu_column_sum(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    (void)chunk;
    (void)scratch;
    const rg_value *dy = rg_task_value(task, node->in[0]);
    const size_t n = dy->shape[1];
    const float *rows = rg_task_data(task, node->in[0]);
    float *sum = rg_task_data(task, node->out[0]);
    memset(sum, 0, n * sizeof *sum);
    for (size_t t = 0; t < dy->shape[0]; t++) {
        task->exec->options.kernels->add(sum, sum, rows + t * n, n);
    }
}

// one key-value head of one sequence and the query heads that share it: nothing else writes its
// gradients
void rg_cpu_attention_back(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    const rg_op_params *p = &node->p;
    const size_t group = p->n_head / p->n_kv_head;
    const size_t n_tok = rg_task_sequence(task, node);
    const size_t first = chunk / p->n_kv_head * n_tok;
    rg_plain_attn a = {.q_stride = (size_t)p->n_head * p->head_dim,
                       .kv_stride_k = (size_t)p->n_kv_head * p->head_dim,
                       .kv_stride_v = (size_t)p->n_kv_head * p->v_dim,
                       .y_stride = (size_t)p->n_head * p->v_dim,
                       .n_tok = n_tok,
                       .k_dim = p->head_dim,
                       .v_dim = p->v_dim,
                       .window = p->window,
                       .scale = p->scale};
    chunk %= p->n_kv_head;
    const size_t at_k = first * a.kv_stride_k + chunk * p->head_dim;
    const size_t at_v = first * a.kv_stride_v + chunk * p->v_dim;
    a.k = (const float *)rg_task_data(task, node->in[2]) + at_k;
    a.v = (const float *)rg_task_data(task, node->in[3]) + at_v;
    a.dk = (float *)rg_task_data(task, node->out[1]) + at_k;
    a.dv = (float *)rg_task_data(task, node->out[2]) + at_v;
    for (size_t t = 0; t < n_tok; t++) {
        memset(a.dk + t * a.kv_stride_k, 0, a.k_dim * sizeof(float));
        memset(a.dv + t * a.kv_stride_v, 0, a.v_dim * sizeof(float));
    }
    for (size_t i = 0; i < group; i++) {
        const size_t h = chunk * group + i;
        const size_t at_q = first * a.q_stride + h * p->head_dim;
        a.dy = (const float *)rg_task_data(task, node->in[0]) + first * a.y_stride + h * p->v_dim;
        a.q = (const float *)rg_task_data(task, node->in[1]) + at_q;
        a.dq = (float *)rg_task_data(task, node->out[0]) + at_q;
        rg_plain_attention_back(&a, scratch);
    }
}
