/* Gradients of the cpu. Sums run in a fixed order, so the result does not depend on the number of
 * threads. */
#include "backend/exec_internal.h"

#include <string.h>

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
    _Static_assert(RG_GRADIENT_ROW_MAX * (sizeof(double) + sizeof(float)) <= RG_SCRATCH_BYTES,
                   "the widest norm fits the scratch");
    memset(sum, 0, n * sizeof *sum);
    task->exec->options.kernels->rmsnorm_dw(sum, (float *)(void *)(sum + n), dy, xs, rows, n,
                                            node->p.eps);
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
