/* Gradients of the cpu. Sums run in a fixed order, so the result does not depend on the number of
 * threads. */
#include "backend/exec_internal.h"

#include <string.h>

enum { SCATTER_COLUMNS = 64 }; // that one chunk adds up

// rows of dy added up where they came from, columns [from, from + n) of them
static void scatter_add(const rg_task *task, const rg_node *node, size_t from, size_t n) {
    const rg_value *out = rg_task_value(task, node->out[0]);
    const rg_value *dy = rg_task_value(task, node->in[0]);
    const size_t width = out->shape[1];
    const float *rows = (const float *)rg_task_data(task, node->in[0]) + from;
    const int32_t *ids = rg_task_data(task, node->in[1]);
    float *to = (float *)rg_task_data(task, node->out[0]) + from;
    for (size_t r = 0; r < out->shape[0]; r++) {
        memset(to + r * width, 0, n * sizeof *to);
    }
    for (size_t t = 0; t < dy->shape[0]; t++) {
        float *row = to + (size_t)ids[t] * width;
        task->exec->options.kernels->add(row, row, rows + t * width, n);
    }
}

size_t rg_cpu_scatter_chunks(rg_task *task, const rg_node *node) {
    return (rg_task_value(task, node->out[0])->shape[1] + SCATTER_COLUMNS - 1) / SCATTER_COLUMNS;
}

void rg_cpu_scatter(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    (void)scratch;
    const size_t from = chunk * SCATTER_COLUMNS;
    const size_t left = rg_task_value(task, node->out[0])->shape[1] - from;
    scatter_add(task, node, from, left < SCATTER_COLUMNS ? left : SCATTER_COLUMNS);
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
