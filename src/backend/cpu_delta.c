/* Recurrences on the cpu: the short convolution, decay, the gated delta rule. */
#include "backend/exec_internal.h"

#include "kernel/delta.h"

#include <math.h>
#include <string.h>

enum { CHUNK_COLUMNS = 64 }; // of a convolution

_Static_assert(RG_DELTA_DIM_MAX <= RG_DELTA_ROWS_MAX && RG_CONV_KERNEL_MAX <= RG_CONV_ROWS_MAX,
               "what a graph may ask for, the kernels can do");

static float *matrix(const rg_task *task, rg_val v, size_t *width) {
    *width = rg_task_value(task, v)->shape[1];
    return rg_task_data(task, v);
}

void rg_cpu_decay(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    size_t n;
    const float *x = matrix(task, node->in[0], &n);
    float *y = rg_task_data(task, node->out[0]);
    const float *a = rg_task_data(task, node->in[1]);
    const float *dt = rg_task_data(task, node->in[2]);
    const size_t share = n / rg_task_value(task, node->in[1])->shape[0]; // columns of each a
    for (size_t i = from * n; i < to * n; i++) {
        y[i] = rg_delta_decay(x[i], a[i % n / share], dt[i % n], node->p.is_log);
    }
}

void rg_cpu_decay_back(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    (void)chunk;
    (void)scratch;
    size_t n;
    const float *dy = matrix(task, node->in[0], &n);
    const float *x = rg_task_data(task, node->in[1]);
    const float *a = rg_task_data(task, node->in[2]);
    const float *dt = rg_task_data(task, node->in[3]);
    float *dx = rg_task_data(task, node->out[0]);
    float *da = rg_task_data(task, node->out[1]);
    float *ddt = rg_task_data(task, node->out[2]);
    const size_t n_tok = rg_task_value(task, node->in[0])->shape[0];
    const size_t share = n / rg_task_value(task, node->in[2])->shape[0];
    double to_a = 0;
    for (size_t i = 0; i < n; i++) {
        double to_dt = 0;
        to_a = i % share == 0 ? 0 : to_a;
        for (size_t t = 0; t < n_tok; t++) {
            double to_x = 0;
            rg_delta_decay_gradient(dy[t * n + i], x[t * n + i], a[i / share], dt[i],
                                    node->p.is_log, &to_x, &to_a, &to_dt);
            dx[t * n + i] = (float)to_x;
        }
        da[i / share] = (float)to_a;
        ddt[i] = (float)to_dt;
    }
}

// ---- where a state lies ----

static bool has_state(const rg_task *task, rg_val beside) {
    return rg_task_value(task, beside)->kind == RG_VAL_STATE;
}

// sessions of the batch; without states all tokens are one stretch
static size_t n_rows(const rg_task *task, rg_val beside) {
    return has_state(task, beside) ? task->b->kv->n_rows : 1;
}

static rg_kv_row row_at(const rg_task *task, rg_val beside, size_t r, size_t n_tok) {
    return has_state(task, beside) ? task->b->kv->rows[r] : (rg_kv_row){.n_tok = n_tok};
}

// the part of a layer's recurrent state that begins at `at` bytes
static const float *state_of(const rg_task *task, rg_val beside, const rg_kv_row *row, size_t at) {
    const size_t layer = rg_task_value(task, beside)->slot * task->b->kv->layout->recurrent_bytes;
    return (const float *)(const void *)(row->recurrent + layer + at);
}

static float *next_state_of(const rg_task *task, rg_val beside, uint8_t *next, size_t at) {
    const size_t layer = rg_task_value(task, beside)->slot * task->b->kv->layout->recurrent_bytes;
    return (float *)(void *)(next + layer + at);
}

// ---- convolution ----

static size_t n_blocks(size_t columns) {
    return (columns + CHUNK_COLUMNS - 1) / CHUNK_COLUMNS;
}

size_t rg_cpu_conv_chunks(rg_task *task, const rg_node *node) {
    const rg_val beside = node->in[node->n_in - 1];
    return n_rows(task, beside) * n_blocks(rg_task_value(task, node->in[0])->shape[1]);
}

static rg_conv_columns conv_of(const rg_task *task, rg_val x_val, rg_val w_val, rg_val beside,
                               size_t block) {
    size_t n, kernel;
    const float *x = matrix(task, x_val, &n);
    const float *w = matrix(task, w_val, &kernel);
    const size_t from = block * CHUNK_COLUMNS;
    return (rg_conv_columns){.n = n - from < CHUNK_COLUMNS ? n - from : CHUNK_COLUMNS,
                             .n_tok = rg_task_value(task, x_val)->shape[0],
                             .kernel = kernel,
                             .x = x + from,
                             .x_stride = n,
                             .w = w + from * kernel,
                             .positions =
                                 has_state(task, beside) ? NULL : rg_task_data(task, beside)};
}

// the rows that the next step will look back on
static void keep_tail(const rg_conv_columns *c, float *tail, size_t stride) {
    const size_t n = c->kernel - 1;
    for (size_t i = 0; i < n; i++) {
        const size_t back = n - i; // from the end of the tokens
        const float *row = back <= c->n_tok ? c->x + (c->n_tok - back) * c->x_stride
                                            : c->before + (n + c->n_tok - back) * c->before_stride;
        memcpy(tail + i * stride, row, c->n * sizeof *tail);
    }
}

// the same after the last token, or after each of them
static void keep_tails(const rg_task *task, rg_val beside, const rg_kv_row *row,
                       const rg_conv_columns *c, size_t at) {
    rg_conv_columns part = *c;
    if (row->recurrent_each == NULL) {
        keep_tail(c, next_state_of(task, beside, row->recurrent_next, at), c->before_stride);
        return;
    }
    for (size_t t = 0; t < row->n_tok; t++) {
        part.n_tok = t + 1;
        keep_tail(&part, next_state_of(task, beside, row->recurrent_each[t], at), c->before_stride);
    }
}

// in place. Training takes the exponential of the C library, which rounds better.
static void silu(const rg_task *task, float *y, size_t n) {
    float ones[CHUNK_COLUMNS];
    if (task->exec->options.is_training) {
        for (size_t i = 0; i < n; i++) {
            y[i] *= 1 / (1 + expf(-y[i]));
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        ones[i] = 1;
    }
    task->exec->options.kernels->swiglu(y, y, ones, n);
}

void rg_cpu_conv(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    (void)scratch;
    const rg_val beside = node->in[2];
    const size_t n = rg_task_value(task, node->in[0])->shape[1];
    const size_t block = chunk % n_blocks(n);
    rg_conv_columns c = conv_of(task, node->in[0], node->in[1], beside, block);
    const rg_kv_row row = row_at(task, beside, chunk / n_blocks(n), c.n_tok);
    float *y = (float *)rg_task_data(task, node->out[0]) + block * CHUNK_COLUMNS + row.first * n;
    c.x += row.first * n;
    c.n_tok = row.n_tok;
    if (has_state(task, beside)) {
        const size_t at = node->p.from + block * CHUNK_COLUMNS;
        c.before_stride = node->p.width == 0 ? n : node->p.width;
        c.before = state_of(task, beside, &row, 0) + at;
        keep_tails(task, beside, &row, &c, at * sizeof *y);
    }
    task->exec->options.kernels->conv_sums(&c, y);
    for (size_t t = 0; t < c.n_tok; t++) {
        silu(task, y + t * n, c.n);
    }
}

void rg_cpu_conv_back(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    (void)scratch;
    const rg_conv_columns c = conv_of(task, node->in[1], node->in[2], node->in[3], chunk);
    const size_t from = chunk * CHUNK_COLUMNS;
    rg_conv_gradients(&c, (const float *)rg_task_data(task, node->in[0]) + from,
                      (float *)rg_task_data(task, node->out[0]) + from,
                      (float *)rg_task_data(task, node->out[1]) + from * c.kernel);
}

// ---- the delta rule ----

static size_t key_head_of(const rg_op_params *p, size_t head) {
    return p->is_tiled ? head % p->n_kv_head : head / (p->n_head / p->n_kv_head);
}

// a value head's inputs: node inputs q, k, v, decay, beta from `first` on
static rg_delta_head head_of(const rg_task *task, const rg_node *node, size_t first, size_t head) {
    const rg_op_params *p = &node->p;
    const size_t key = key_head_of(p, head) * p->head_dim;
    const size_t n_decay = rg_task_value(task, node->in[first + 3])->shape[1] / p->n_head;
    return (rg_delta_head){
        .n_tok = rg_task_value(task, node->in[first])->shape[0],
        .k_dim = p->head_dim,
        .v_dim = p->v_dim,
        .q = (const float *)rg_task_data(task, node->in[first]) + key,
        .k = (const float *)rg_task_data(task, node->in[first + 1]) + key,
        .k_stride = (size_t)p->n_kv_head * p->head_dim,
        .v = (const float *)rg_task_data(task, node->in[first + 2]) + head * p->v_dim,
        .v_stride = (size_t)p->n_head * p->v_dim,
        .decay = (const float *)rg_task_data(task, node->in[first + 3]) + head * n_decay,
        .n_decay = n_decay,
        .decay_stride = p->n_head * n_decay,
        .beta = (const float *)rg_task_data(task, node->in[first + 4]) + head,
        .gate_stride = p->n_head};
}

size_t rg_cpu_delta_chunks(rg_task *task, const rg_node *node) {
    return n_rows(task, node->in[5]) * node->p.n_head;
}

// all tokens of a session: the state goes along, and stays behind after each where that is wanted
static void run_head(const rg_task *task, rg_val beside, const rg_kv_row *row, rg_delta_head h,
                     size_t at, float *y) {
    const size_t bytes = h.k_dim * h.v_dim * sizeof *y;
    const float *before = state_of(task, beside, row, at);
    if (row->recurrent_each == NULL) {
        float *s = next_state_of(task, beside, row->recurrent_next, at);
        memcpy(s, before, bytes);
        task->exec->options.kernels->delta_run(&h, s, y);
        return;
    }
    h.n_tok = 1;
    for (size_t t = 0; t < row->n_tok; t++) {
        float *s = next_state_of(task, beside, row->recurrent_each[t], at);
        memcpy(s, before, bytes);
        task->exec->options.kernels->delta_run(&h, s, y);
        before = s;
        h.q += h.k_stride;
        h.k += h.k_stride;
        h.v += h.v_stride;
        h.decay += h.decay_stride;
        h.beta += h.gate_stride;
        y += h.v_stride;
    }
}

void rg_cpu_delta(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    _Static_assert((size_t)RG_DELTA_DIM_MAX * RG_DELTA_DIM_MAX * sizeof(float) <= RG_SCRATCH_BYTES,
                   "the largest S fits the scratch");
    const rg_op_params *p = &node->p;
    const rg_val beside = node->in[5];
    const size_t head = chunk % p->n_head;
    const size_t n = (size_t)p->head_dim * p->v_dim;
    rg_delta_head h = head_of(task, node, 0, head);
    const rg_kv_row row = row_at(task, beside, chunk / p->n_head, h.n_tok);
    float *s = scratch;
    float *y = (float *)rg_task_data(task, node->out[0]) + head * p->v_dim + row.first * h.v_stride;
    h.n_tok = row.n_tok;
    h.q += row.first * h.k_stride;
    h.k += row.first * h.k_stride;
    h.v += row.first * h.v_stride;
    h.decay += row.first * h.decay_stride;
    h.beta += row.first * h.gate_stride;
    if (has_state(task, beside)) {
        run_head(task, beside, &row, h, task->b->kv->layout->conv_bytes + head * n * sizeof *s, y);
    } else {
        memset(s, 0, n * sizeof *s);
        h.positions = rg_task_data(task, beside);
        task->exec->options.kernels->delta_run(&h, s, y);
    }
}

// one chunk a key head: the value heads that share it add to the same gradients
size_t rg_cpu_delta_back_chunks(rg_task *task, const rg_node *node) {
    (void)task;
    return node->p.n_kv_head;
}

void rg_cpu_delta_back(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    (void)scratch;
    const rg_op_params *p = &node->p;
    const rg_value *kept = rg_task_value(task, node->out[5]);
    const size_t key = chunk * p->head_dim;
    float *dq = (float *)rg_task_data(task, node->out[0]) + key;
    float *dk = (float *)rg_task_data(task, node->out[1]) + key;
    for (size_t head = 0; head < p->n_head; head++) {
        if (key_head_of(p, head) != chunk) {
            continue;
        }
        rg_delta_head h = head_of(task, node, 1, head);
        h.positions = rg_task_data(task, node->in[6]);
        const rg_delta_gradient d = {
            .dy = (const float *)rg_task_data(task, node->in[0]) + head * p->v_dim,
            .dq = dq,
            .dk = dk,
            .dv = (float *)rg_task_data(task, node->out[2]) + head * p->v_dim,
            .ddecay = (float *)rg_task_data(task, node->out[3]) + head * h.n_decay,
            .dbeta = (float *)rg_task_data(task, node->out[4]) + head};
        if (head == (p->is_tiled ? chunk : chunk * (p->n_head / p->n_kv_head))) {
            for (size_t t = 0; t < h.n_tok; t++) {
                memset(dq + t * h.k_stride, 0, h.k_dim * sizeof *dq);
                memset(dk + t * h.k_stride, 0, h.k_dim * sizeof *dk);
            }
        }
        rg_delta_gradients(&h, &d, RG_DELTA_STRETCH,
                           (float *)rg_task_data(task, node->out[5]) +
                               head * (kept->shape[0] / p->n_head) * kept->shape[1]);
    }
}
