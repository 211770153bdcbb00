/* Row-wise ops of the cpu: tokens [from, to) of one node. */
#include "backend/exec_internal.h"

#include "kernel/plain.h"

#include <string.h>

// row t of a dense f32 matrix value
static float *row_of(const rg_task *task, rg_val v, size_t t) {
    return (float *)rg_task_data(task, v) + t * rg_task_value(task, v)->shape[1];
}

static size_t width_of(const rg_task *task, rg_val v) {
    return rg_task_value(task, v)->shape[1];
}

void rg_cpu_embed(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const rg_value *w = rg_task_value(task, node->in[1]);
    const int32_t *ids = rg_task_data(task, node->in[0]);
    const char *rows = rg_task_data(task, node->in[1]);
    const rg_dtype_info *info = rg_dtype_get(w->dtype);
    const size_t row_bytes = w->shape[1] / info->block * info->block_bytes;
    for (size_t t = from; t < to; t++) {
        info->to_float(row_of(task, node->out[0], t), rows + (size_t)ids[t] * row_bytes,
                       w->shape[1]);
    }
}

// the axis whose position frequency i takes
static size_t axis_of(const rg_op_params *p, size_t n_axes, size_t i) {
    if (p->is_interleaved) {
        return i < n_axes * p->sections[i % n_axes] ? i % n_axes : 0;
    }
    size_t axis = 0;
    for (size_t end = p->sections[0]; axis + 1 < n_axes && i >= end; end += p->sections[axis]) {
        axis++;
    }
    return axis;
}

static void rope_axes_table(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n_axes = rg_task_value(task, node->in[0])->shape[1];
    const size_t n = rg_task_value(task, node->in[1])->shape[0];
    const float *inv_freq = rg_task_data(task, node->in[1]);
    for (size_t t = from; t < to; t++) {
        const int32_t *positions = (const int32_t *)rg_task_data(task, node->in[0]) + t * n_axes;
        float *row = row_of(task, node->out[0], t);
        for (size_t i = 0; i < n; i++) {
            float angle[2];
            rg_plain_rope_angles(angle, positions[axis_of(&node->p, n_axes, i)], inv_freq + i, 1,
                                 node->p.scale);
            row[i] = angle[0];
            row[n + i] = angle[1];
        }
    }
}

void rg_cpu_rope_table(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const int32_t *positions = rg_task_data(task, node->in[0]);
    const float *inv_freq = rg_task_data(task, node->in[1]);
    const size_t n = rg_task_value(task, node->in[1])->shape[0];
    if (rg_task_value(task, node->in[0])->n_dims == 2) {
        rope_axes_table(task, node, from, to);
        return;
    }
    const int32_t back = (int32_t)node->p.from;
    for (size_t t = from; t < to; t++) {
        rg_plain_rope_angles(row_of(task, node->out[0], t), positions[t] - back, inv_freq, n,
                             node->p.scale);
    }
}

void rg_cpu_rmsnorm(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n = rg_task_value(task, node->in[1])->shape[0];
    const size_t groups = width_of(task, node->in[0]) / n;
    task->exec->options.kernels->rmsnorm(
        row_of(task, node->out[0], from), n, row_of(task, node->in[0], from), n,
        rg_task_data(task, node->in[1]), (to - from) * groups, n, node->p.eps);
}

void rg_cpu_rope(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const rg_op_params *p = &node->p;
    const size_t half = p->n_rot / 2;
    for (size_t t = from; t < to; t++) {
        const float *angles = row_of(task, node->in[1], t);
        const float *sines = angles + half;
        float turned[RG_ROPE_HALF_MAX]; // sines of the way back
        if (p->is_inverse) {
            for (size_t i = 0; i < half; i++) {
                turned[i] = -sines[i];
            }
            sines = turned;
        }
        task->exec->options.kernels->rope(row_of(task, node->out[0], t),
                                          row_of(task, node->in[0], t), p->n_head, p->head_dim,
                                          p->n_rot, (rg_rope_pairs)p->pairs, angles, sines);
    }
}

void rg_cpu_add(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n = width_of(task, node->in[0]);
    const bool is_vector = rg_task_value(task, node->in[1])->n_dims == 1;
    const size_t step = is_vector ? 1 : to - from; // rows at once
    for (size_t t = from; t < to; t += step) {
        task->exec->options.kernels->add(
            row_of(task, node->out[0], t), row_of(task, node->in[0], t),
            is_vector ? rg_task_data(task, node->in[1]) : row_of(task, node->in[1], t), step * n);
    }
}

void rg_cpu_swiglu(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    task->exec->options.kernels->swiglu(
        row_of(task, node->out[0], from), row_of(task, node->in[0], from),
        row_of(task, node->in[1], from), (to - from) * width_of(task, node->in[0]));
}

void rg_cpu_gelu(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n = (to - from) * width_of(task, node->in[0]);
    float *y = row_of(task, node->out[0], from);
    const float *x = row_of(task, node->in[0], from);
    if (node->p.is_tanh) {
        task->exec->options.kernels->gelu_tanh(y, x, n);
    } else {
        rg_plain_gelu(y, x, n);
    }
}

void rg_cpu_gelu_back(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    rg_plain_gelu_back(row_of(task, node->out[0], from), row_of(task, node->in[0], from),
                       row_of(task, node->in[1], from), (to - from) * width_of(task, node->in[0]),
                       node->p.is_tanh);
}

// part by part, all tokens of a part together
void rg_cpu_act_prep(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const rg_value *x = rg_task_value(task, node->in[0]);
    const rg_act_form form = (rg_act_form)node->p.form;
    const size_t n_part = node->p.n_part == 0 ? 1 : node->p.n_part;
    const size_t k = x->shape[1] / n_part;
    const float *values = rg_task_data(task, node->in[0]);
    char *room = rg_task_data(task, node->out[0]);
    for (size_t i = 0; i < n_part; i++) {
        rg_act act;
        rg_act_init(&act, form, x->shape[0], k, room + i * rg_act_bytes(form, x->shape[0], k));
        task->exec->options.kernels->act_fill[form](&act, values + i * k, x->shape[1], from, to);
    }
}

void rg_cpu_kv_store(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const rg_kv_batch *kv = task->b->kv;
    const rg_kv_layout *layout = kv->layout;
    const size_t layer_offset = rg_kv_offset(layout, rg_task_value(task, node->in[2])->slot);
    const size_t size = rg_dtype_get(layout->dtype)->block_bytes;
    size_t r = 0;
    for (size_t t = from; t < to; t++) {
        while (t >= kv->rows[r].first + kv->rows[r].n_tok) {
            r++;
        }
        const rg_kv_row *row = &kv->rows[r];
        const size_t pos = row->pos + (t - row->first);
        const size_t at = pos % layout->page_len;
        uint8_t *page = row->pages[pos / layout->page_len] + layer_offset;
        const float *k = row_of(task, node->in[0], t);
        const float *v = row_of(task, node->in[1], t);
        for (size_t h = 0; h < layout->n_kv_head; h++) {
            const size_t slot = h * layout->page_len + at;
            rg_task_store(task, page + slot * layout->k_dim * size, k + h * layout->k_dim,
                          layout->k_dim);
            if (layout->has_values) {
                rg_task_store(task, page + layout->k_bytes + slot * layout->v_dim * size,
                              v + h * layout->v_dim, layout->v_dim);
            }
        }
    }
}

void rg_cpu_index_store(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const rg_kv_batch *kv = task->b->kv;
    const rg_kv_layout *layout = kv->layout;
    const size_t dim = layout->index_dim;
    const size_t offset = rg_kv_offset(layout, rg_task_value(task, node->in[1])->slot) +
                          layout->k_bytes + layout->v_bytes;
    size_t r = 0;
    for (size_t t = from; t < to; t++) {
        while (t >= kv->rows[r].first + kv->rows[r].n_tok) {
            r++;
        }
        const size_t pos = kv->rows[r].pos + (t - kv->rows[r].first);
        uint8_t *keys = kv->rows[r].pages[pos / layout->page_len] + offset;
        rg_task_store(
            task, keys + pos % layout->page_len * dim * rg_dtype_get(layout->dtype)->block_bytes,
            row_of(task, node->in[0], t), dim);
    }
}

void rg_cpu_rmsnorm_dx(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const float *w = rg_task_data(task, node->in[2]);
    const size_t n = rg_task_value(task, node->in[2])->shape[0];
    const size_t width = width_of(task, node->in[0]);
    for (size_t t = from; t < to; t++) {
        for (size_t i = 0; i < width; i += n) {
            task->exec->options.kernels->rmsnorm_dx(
                row_of(task, node->out[0], t) + i, row_of(task, node->in[0], t) + i,
                row_of(task, node->in[1], t) + i, w, n, node->p.eps);
        }
    }
}

void rg_cpu_gate(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    for (size_t t = from; t < to; t++) {
        rg_plain_gate(row_of(task, node->out[0], t), row_of(task, node->in[0], t),
                      row_of(task, node->in[1], t), width_of(task, node->in[0]),
                      width_of(task, node->in[1]));
    }
}

void rg_cpu_gate_back(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    for (size_t t = from; t < to; t++) {
        rg_plain_gate_back(row_of(task, node->out[0], t), row_of(task, node->out[1], t),
                           row_of(task, node->in[0], t), row_of(task, node->in[1], t),
                           row_of(task, node->in[2], t), width_of(task, node->in[1]),
                           width_of(task, node->in[2]));
    }
}

void rg_cpu_swiglu_back(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    task->exec->options.kernels->swiglu_back(
        row_of(task, node->out[0], from), row_of(task, node->out[1], from),
        row_of(task, node->in[0], from), row_of(task, node->in[1], from),
        row_of(task, node->in[2], from), (to - from) * width_of(task, node->in[0]));
}
