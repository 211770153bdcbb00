/* Matrix products, attention and gathers of the cpu: work cut into chunks. */
#include "backend/exec_internal.h"

#include <string.h>

enum {
    CHUNK_ROWS_MAX = 64,   // of a product with many tokens: four panels share the activations in L2
    CHUNK_TOKENS = 64,     // of attention
    CHUNK_HEADS_MIN = 4,   // that share a kv head: fewer lay keys out more than they use them
    CHUNK_SELECTED = 64,   // rows that are copied
    CHUNKS_PER_THREAD = 8, // so that a thread that is slowed down costs its share
};

size_t rg_cpu_one_chunk(rg_task *task, const rg_node *node) {
    (void)task;
    (void)node;
    return 1;
}

size_t rg_cpu_cut_rows(const rg_task *task, size_t rows, size_t n_matrices, bool is_prompt,
                       size_t *n_chunks) {
    const size_t all = rg_pool_threads(task->b->pool) * (size_t)CHUNKS_PER_THREAD;
    const size_t each = n_matrices == 0 ? 1 : (all + n_matrices - 1) / n_matrices;
    size_t size = rg_round_up((rows + each - 1) / each, RG_PANEL_ROWS);
    if (is_prompt && size > CHUNK_ROWS_MAX) {
        size = CHUNK_ROWS_MAX;
    }
    *n_chunks = (rows + size - 1) / size;
    return size;
}

size_t rg_cpu_linear_chunks(rg_task *task, const rg_node *node) {
    if (task->exec->options.is_training) {
        return rg_cpu_gemm_chunks(task, node);
    }
    const size_t rows = rg_task_value(task, node->in[1])->shape[0];
    const bool is_prompt = rg_task_value(task, node->in[0])->shape[0] > RG_PANEL_ROWS;
    size_t n_chunks = 0;
    task->chunk_size = rg_cpu_cut_rows(task, rows, 1, is_prompt, &n_chunks);
    return n_chunks;
}

void rg_cpu_linear(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    if (task->exec->options.is_training) {
        rg_cpu_gemm(task, node, chunk, scratch);
        return;
    }
    const rg_value *x = rg_task_value(task, node->in[0]);
    const rg_value *w = rg_task_value(task, node->in[1]);
    const rg_dtype_info *info = rg_dtype_get(w->dtype);
    const size_t from = chunk * task->chunk_size;
    const size_t end = from + task->chunk_size;
    const size_t to = end < w->shape[0] ? end : w->shape[0];
    float *y = rg_task_data(task, node->out[0]);
    rg_act act;
    rg_act_init(&act, (rg_act_form)node->p.form, x->shape[0], x->shape[1],
                rg_task_data(task, node->in[0]));
    rg_exec_matmul(task->exec, w->dtype)
        ->fn(y, w->shape[0], rg_task_data(task, node->in[1]),
             w->shape[1] / info->block * info->block_bytes, &act, from, to, scratch);
    if (node->n_in == 3) {
        const float *bias = rg_task_data(task, node->in[2]);
        for (size_t t = 0; t < x->shape[0]; t++) {
            float *row = y + t * w->shape[0];
            task->exec->options.kernels->add(row + from, row + from, bias + from, to - from);
        }
    }
}

// ---- attention over a state ----

static void fill_attn(const rg_op_params *p, rg_attn *a) {
    *a = (rg_attn){.q_stride = (size_t)p->n_head * p->head_dim,
                   .n_head = p->n_head,
                   .n_kv_head = p->n_kv_head,
                   .k_dim = p->head_dim,
                   .v_dim = p->v_dim,
                   .window = p->window,
                   .chunk = p->chunk,
                   .scale = p->scale,
                   .out_stride = (size_t)p->n_head * p->v_dim};
}

static size_t token_chunks(const rg_kv_row *row) {
    return (row->n_tok + CHUNK_TOKENS - 1) / CHUNK_TOKENS;
}

// chunks of one chunk's tokens: kv heads, times the parts of the heads that share one
static size_t head_chunks(const rg_task *task, const rg_node *node) {
    const size_t group = node->p.n_head / node->p.n_kv_head;
    return node->p.n_kv_head * ((group + task->chunk_size - 1) / task->chunk_size);
}

// Where tokens and kv heads are too few for all threads, heads that share one are taken apart: each
// part lays the keys side by side once more, and a result does not depend on the heads beside it.
size_t rg_cpu_attend_chunks(rg_task *task, const rg_node *node) {
    const rg_kv_batch *kv = task->b->kv;
    const size_t group = node->p.n_head / node->p.n_kv_head;
    size_t n = 0;
    for (size_t r = 0; r < kv->n_rows; r++) {
        n += token_chunks(&kv->rows[r]);
    }
    const size_t wanted = rg_pool_threads(task->b->pool) * (size_t)CHUNKS_PER_THREAD;
    const size_t parts = (wanted - 1) / (n * node->p.n_kv_head) + 1;
    const size_t size = (group + parts - 1) / parts;
    task->chunk_size = size > CHUNK_HEADS_MIN ? size : CHUNK_HEADS_MIN;
    return n * head_chunks(task, node);
}

// where the pages of this layer's keys and values begin, for all sessions of the batch
void rg_cpu_attend_prepare(const rg_task *task, const rg_node *node) {
    const rg_kv_batch *kv = task->b->kv;
    const size_t n_pages_max = task->exec->options.n_pages_max;
    const size_t offset = rg_kv_offset(kv->layout, rg_task_value(task, node->in[1])->slot);
    for (size_t r = 0; r < kv->n_rows; r++) {
        const rg_kv_row *row = &kv->rows[r];
        const void **k = task->exec->page_ptrs + 2 * r * n_pages_max;
        const size_t n = (row->pos + row->n_tok + kv->layout->page_len - 1) / kv->layout->page_len;
        for (size_t i = 0; i < n; i++) {
            k[i] = row->pages[i] + offset;
            k[n_pages_max + i] =
                row->pages[i] + offset + (kv->layout->has_values ? kv->layout->k_bytes : 0);
        }
    }
}

// each token looks at the positions chosen for it, a page of one position each; the first tokens,
// which have no more than those, at all
static void attend_chosen(const rg_task *task, const rg_node *node, const rg_attn *a, size_t first,
                          size_t from, size_t end, void *scratch) {
    rg_attention_fn *attention = task->exec->options.kernels->attention;
    const size_t n_top = rg_task_value(task, node->in[2])->shape[1];
    const size_t row_bytes = a->k_dim * rg_dtype_get(a->kv_dtype)->block_bytes;
    const int32_t *chosen = (const int32_t *)rg_task_data(task, node->in[2]) + first * n_top;
    for (size_t t = from; t < end; t++) {
        const void *rows[RG_INDEX_TOP_MAX];
        if (a->pos + t < n_top) {
            attention(a, 0, t, t + 1, scratch);
            continue;
        }
        for (size_t i = 0; i < n_top; i++) {
            const size_t pos = (size_t)chosen[t * n_top + i];
            rows[i] = (const char *)a->k_pages[pos / a->page_len] + pos % a->page_len * row_bytes;
        }
        rg_attn one = *a;
        one.q = a->q + t * a->q_stride;
        one.out = a->out + t * a->out_stride;
        one.n_tok = 1;
        one.pos = n_top - 1;
        one.k_pages = one.v_pages = rows;
        one.page_len = 1;
        attention(&one, 0, 0, 1, scratch);
    }
}

void rg_cpu_attend(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    const rg_kv_batch *kv = task->b->kv;
    const size_t n_pages_max = task->exec->options.n_pages_max;
    const size_t per_tokens = head_chunks(task, node);
    size_t r = 0;
    while (chunk >= token_chunks(&kv->rows[r]) * per_tokens) {
        chunk -= token_chunks(&kv->rows[r]) * per_tokens;
        r++;
    }
    const rg_kv_row *row = &kv->rows[r];
    const size_t kv_head = chunk % per_tokens % node->p.n_kv_head;
    const size_t part = chunk % per_tokens / node->p.n_kv_head;
    rg_attn a;
    fill_attn(&node->p, &a);
    a.q = (const float *)rg_task_data(task, node->in[0]) + row->first * a.q_stride;
    a.out = (float *)rg_task_data(task, node->out[0]) + row->first * a.out_stride;
    a.n_tok = row->n_tok;
    a.pos = row->pos;
    a.k_pages = task->exec->page_ptrs + 2 * r * n_pages_max;
    a.v_pages = a.k_pages + n_pages_max;
    a.v_stride = kv->layout->has_values ? a.v_dim : a.k_dim;
    a.page_len = kv->layout->page_len;
    a.kv_dtype = kv->layout->dtype;
    // a part's heads as if there were no others
    const size_t group = node->p.n_head / node->p.n_kv_head;
    const size_t first = part * task->chunk_size;
    const size_t n_heads = group - first < task->chunk_size ? group - first : task->chunk_size;
    const size_t skipped = kv_head * (group - n_heads) + first;
    a.q += skipped * a.k_dim;
    a.out += skipped * a.v_dim;
    a.n_head = (uint32_t)(n_heads * a.n_kv_head);
    const size_t from = chunk / per_tokens * CHUNK_TOKENS;
    const size_t end = from + CHUNK_TOKENS < row->n_tok ? from + CHUNK_TOKENS : row->n_tok;
    if (node->n_in == 3) {
        attend_chosen(task, node, &a, row->first, from, end, scratch);
        return;
    }
    task->exec->options.kernels->attention(&a, (uint32_t)kv_head, from, end, scratch);
}

size_t rg_cpu_select_chunks(rg_task *task, const rg_node *node) {
    return (rg_task_value(task, node->out[0])->shape[0] + CHUNK_SELECTED - 1) / CHUNK_SELECTED;
}

void rg_cpu_select_rows(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    (void)scratch;
    const rg_value *out = rg_task_value(task, node->out[0]);
    const size_t n = out->shape[1];
    const float *x = rg_task_data(task, node->in[0]);
    const int32_t *rows = rg_task_data(task, node->in[1]);
    float *y = rg_task_data(task, node->out[0]);
    const size_t from = chunk * CHUNK_SELECTED;
    const size_t end = from + CHUNK_SELECTED;
    for (size_t i = from; i < (end < out->shape[0] ? end : out->shape[0]); i++) {
        memcpy(y + i * n, x + (size_t)rows[i] * n, n * sizeof *x);
    }
}
