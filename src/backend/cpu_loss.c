/* Row-wise ops that only training uses: tokens [from, to) of one node. */
#include "backend/exec_internal.h"

#include <math.h>
#include <string.h>

// row t of a dense f32 matrix value
static float *row_of(const rg_task *task, rg_val v, size_t t) {
    return (float *)rg_task_data(task, v) + t * rg_task_value(task, v)->shape[1];
}

void rg_cpu_scale(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n = (to - from) * rg_task_value(task, node->in[0])->shape[1];
    const float *x = row_of(task, node->in[0], from);
    float *y = row_of(task, node->out[0], from);
    for (size_t i = 0; i < n; i++) {
        y[i] = x[i] * node->p.scale;
    }
}

// a well-mixed word of a counter: Steele et al. 2014, splitmix64
static uint64_t mix(uint64_t z) {
    z += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void rg_cpu_dropout(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n = rg_task_value(task, node->in[0])->shape[1];
    const int32_t *seed = rg_task_data(task, node->in[1]);
    const uint64_t run = mix((uint64_t)(uint32_t)seed[0] << 32 | (uint32_t)seed[1]);
    const uint64_t key = mix(run ^ node->p.stream);
    const uint64_t limit = (uint64_t)((double)node->p.drop * 0x1p32);
    const float keep = 1 / (1 - node->p.drop);
    for (size_t t = from; t < to; t++) {
        const float *x = row_of(task, node->in[0], t);
        float *y = row_of(task, node->out[0], t);
        for (size_t i = 0; i < n; i++) {
            y[i] = (mix(key + t * n + i) >> 32) < limit ? 0 : x[i] * keep;
        }
    }
}

void rg_cpu_cross_entropy(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n = rg_task_value(task, node->in[0])->shape[1];
    const int32_t *targets = rg_task_data(task, node->in[1]);
    for (size_t t = from; t < to; t++) {
        *row_of(task, node->out[0], t) =
            targets[t] < 0 ? 0
                           : task->exec->options.kernels->softmax_xent(
                                 NULL, row_of(task, node->in[0], t), n, (size_t)targets[t], 0);
    }
}

void rg_cpu_cross_entropy_dx(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n = rg_task_value(task, node->in[1])->shape[1];
    const int32_t *targets = rg_task_data(task, node->in[2]);
    for (size_t t = from; t < to; t++) {
        float *dx = row_of(task, node->out[0], t);
        if (targets[t] < 0) {
            memset(dx, 0, n * sizeof *dx);
            continue;
        }
        task->exec->options.kernels->softmax_xent(
            dx, row_of(task, node->in[1], t), n, (size_t)targets[t], *row_of(task, node->in[0], t));
    }
}
