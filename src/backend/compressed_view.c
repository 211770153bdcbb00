#include "backend/compressed_view.h"

// the window of a token at `pos`, and of the complete rows no more than n_top
static void look(rg_view *v, size_t pos, size_t n_top) {
    const rg_op_params *p = v->p;
    v->n_compressed = p->ratio == 0 ? 0 : (pos + 1) / p->ratio;
    v->n_compressed = v->n_compressed < n_top ? v->n_compressed : n_top;
    v->first = pos + 1 > p->window ? pos + 1 - p->window : 0;
    v->n = v->n_compressed + pos + 1 - v->first;
}

rg_view rg_view_of_state(const rg_task *task, const rg_node *node, size_t t) {
    const rg_kv_batch *kv = task->b->kv;
    const rg_op_params *p = &node->p;
    size_t r = 0;
    while (t >= kv->rows[r].first + kv->rows[r].n_tok) {
        r++;
    }
    const rg_kv_row *row = &kv->rows[r];
    const size_t pos = row->pos + (t - row->first);
    rg_view v = {.p = p,
                 .kv = (const float *)rg_task_data(task, node->in[1]) + row->first * p->head_dim,
                 .at = row->pos,
                 .layout = kv->layout,
                 .row = row,
                 .place = rg_kv_compressed(kv->layout, rg_task_value(task, node->in[3])->slot)};
    size_t n_top = SIZE_MAX;
    if (node->n_in == 5) {
        n_top = rg_task_value(task, node->in[4])->shape[1];
        // a token that sees no more than those looks at all of them
        v.chosen = (pos + 1) / p->ratio > n_top
                       ? (const int32_t *)rg_task_data(task, node->in[4]) + t * n_top
                       : NULL;
    }
    look(&v, pos, n_top);
    return v;
}

rg_view rg_view_of_graph(const rg_task *task, const rg_node *node, size_t at, size_t t) {
    const rg_op_params *p = &node->p;
    const int32_t *positions = rg_task_data(task, node->in[at + 3]);
    const size_t start = rg_sample_start(positions, p->seq_len, t);
    rg_view v = {.p = p,
                 .kv = (const float *)rg_task_data(task, node->in[at + 1]) + start * p->head_dim};
    if (node->n_in > at + 4) {
        v.rows = (const float *)rg_task_data(task, node->in[at + 4]) + start * p->head_dim;
    }
    look(&v, t - start, v.rows == NULL ? 0 : SIZE_MAX);
    return v;
}

static void gather_compressed(const rg_view *v, size_t i, float *out) {
    const size_t dim = v->p->head_dim;
    const size_t w = v->chosen == NULL ? i : (size_t)v->chosen[i];
    const size_t last = (w + 1) * v->p->ratio - 1;
    if (v->rows != NULL) {
        memcpy(out, v->rows + last * dim, dim * sizeof *out);
        return;
    }
    const rg_dtype_info *info = rg_dtype_get(v->layout->dtype);
    const size_t slot = rg_kv_compressed_slot(v->layout, v->p->ratio, last);
    const uint8_t *page = v->row->pages[last / v->layout->page_len] + v->place.rows;
    info->to_float(out, page + slot * dim * info->block_bytes, dim);
}

void rg_view_gather(const rg_view *v, size_t from, size_t n, float *out) {
    const size_t dim = v->p->head_dim;
    for (size_t i = from; i < from + n; i++, out += dim) {
        if (i < v->n_compressed) {
            gather_compressed(v, i, out);
            continue;
        }
        const size_t pos = v->first + (i - v->n_compressed);
        const float *row = pos >= v->at ? v->kv + (pos - v->at) * dim
                                        : (const float *)(const void *)v->row->recurrent +
                                              v->place.window + pos % v->p->window * dim;
        memcpy(out, row, dim * sizeof *out);
    }
}
