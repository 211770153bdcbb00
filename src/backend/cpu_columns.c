/* Columns on the cpu: taken apart, joined, added up; and products of each part with its own matrix.
 */
#include "backend/exec_internal.h"

#include <math.h>
#include <string.h>

static float *matrix(const rg_task *task, rg_val v, size_t *width) {
    *width = rg_task_value(task, v)->shape[1];
    return rg_task_data(task, v);
}

void rg_cpu_columns(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const rg_op_params *p = &node->p;
    size_t n_in, n_out;
    const float *x = matrix(task, node->in[0], &n_in);
    float *y = matrix(task, node->out[0], &n_out);
    for (size_t t = from; t < to; t++) {
        for (size_t part = 0; part < p->n_part; part++) {
            memcpy(y + t * n_out + part * p->width,
                   x + t * n_in + part * (n_in / p->n_part) + p->from, p->width * sizeof *y);
        }
    }
}

void rg_cpu_fold(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    (void)chunk;
    (void)scratch;
    size_t n;
    const float *x = matrix(task, node->in[0], &n);
    memcpy(rg_task_data(task, node->out[0]), x,
           rg_task_value(task, node->in[0])->shape[0] * n * sizeof *x);
}

void rg_cpu_columns_dx(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const rg_op_params *p = &node->p;
    size_t n_in, n_out;
    const float *dy = matrix(task, node->in[0], &n_in);
    float *dx = matrix(task, node->out[0], &n_out);
    for (size_t t = from; t < to; t++) {
        memset(dx + t * n_out, 0, n_out * sizeof *dx);
        for (size_t part = 0; part < p->n_part; part++) {
            memcpy(dx + t * n_out + part * (n_out / p->n_part) + p->from,
                   dy + t * n_in + part * p->width, p->width * sizeof *dx);
        }
    }
}

void rg_cpu_join(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n_part = node->p.n_part == 0 ? 1 : node->p.n_part;
    size_t n_out, n_in;
    float *y = matrix(task, node->out[0], &n_out);
    for (size_t i = 0; i < node->n_in; i++) {
        const bool is_one = node->p.is_shared && i + 1 == node->n_in;
        const float *x = matrix(task, node->in[i], &n_in);
        const size_t width = n_in / (is_one ? 1 : n_part);
        for (size_t t = from; t < to; t++) {
            for (size_t part = 0; part < n_part; part++) {
                memcpy(y + t * n_out + part * (n_out / n_part),
                       x + t * n_in + (is_one ? 0 : part * width), width * sizeof *y);
            }
        }
        y += width;
    }
}

// 1 / standard deviation of a row, and its mean
static double spread_of(const float *x, size_t n, double eps, double *mean) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
    }
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        squares += (x[i] - *mean) * (x[i] - *mean);
    }
    return 1 / sqrt(squares / (double)n + eps);
}

void rg_cpu_layernorm(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    size_t n;
    const float *x = matrix(task, node->in[0], &n);
    const float *w = rg_task_data(task, node->in[1]);
    const float *b = rg_task_data(task, node->in[2]);
    float *y = rg_task_data(task, node->out[0]);
    for (size_t t = from; t < to; t++) {
        double mean;
        const double r = spread_of(x + t * n, n, (double)node->p.eps, &mean);
        for (size_t i = 0; i < n; i++) {
            y[t * n + i] = (float)((x[t * n + i] - mean) * r * w[i] + b[i]);
        }
    }
}

void rg_cpu_layernorm_back(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    size_t n;
    const float *dy = matrix(task, node->in[0], &n);
    const float *x = matrix(task, node->in[1], &n);
    const float *w = rg_task_data(task, node->in[2]);
    float *dx = rg_task_data(task, node->out[0]);
    float *dw = rg_task_data(task, node->out[1]);
    float *db = rg_task_data(task, node->out[2]);
    const size_t n_tok = rg_task_value(task, node->in[0])->shape[0];
    (void)chunk;
    (void)scratch;
    memset(dw, 0, n * sizeof *dw);
    memset(db, 0, n * sizeof *db);
    for (size_t t = 0; t < n_tok; t++, dy += n, x += n, dx += n) {
        double mean, sum = 0, along = 0;
        const double r = spread_of(x, n, (double)node->p.eps, &mean);
        for (size_t i = 0; i < n; i++) {
            const double flat = (x[i] - mean) * r;
            const double d = (double)dy[i] * w[i];
            sum += d;
            along += d * flat;
            dw[i] += (float)(dy[i] * flat);
            db[i] += dy[i];
        }
        for (size_t i = 0; i < n; i++) {
            const double flat = (x[i] - mean) * r;
            dx[i] = (float)(r * ((double)dy[i] * w[i] - (sum + flat * along) / (double)n));
        }
    }
}

void rg_cpu_scale_rows(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    size_t n;
    const float *x = matrix(task, node->in[0], &n);
    const float *factors = rg_task_data(task, node->in[1]);
    float *y = rg_task_data(task, node->out[0]);
    for (size_t i = from * n; i < to * n; i++) {
        y[i] = x[i] * factors[i / n];
    }
}

void rg_cpu_scale_rows_back(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    size_t n;
    const float *dy = matrix(task, node->in[0], &n);
    const float *x = rg_task_data(task, node->in[1]);
    const float *factors = rg_task_data(task, node->in[2]);
    float *dx = rg_task_data(task, node->out[0]);
    float *dfactors = rg_task_data(task, node->out[1]);
    for (size_t t = from; t < to; t++) {
        double sum = 0;
        for (size_t i = t * n; i < (t + 1) * n; i++) {
            dx[i] = dy[i] * factors[t];
            sum += (double)dy[i] * x[i];
        }
        dfactors[t] = (float)sum;
    }
}

void rg_cpu_temperature(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const int32_t *positions = rg_task_data(task, node->in[0]);
    float *y = rg_task_data(task, node->out[0]);
    for (size_t t = from; t < to; t++) {
        const size_t steps = ((size_t)positions[t] + 1) / node->p.n_rows;
        y[t] = 1 + node->p.scale * logf(1 + (float)steps);
    }
}

void rg_cpu_part_sum(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const rg_op_params *p = &node->p;
    size_t n_in, n_out;
    const float *x = matrix(task, node->in[0], &n_in);
    float *y = matrix(task, node->out[0], &n_out);
    for (size_t t = from; t < to; t++) {
        memset(y + t * n_out, 0, n_out * sizeof *y);
        for (size_t part = 0; part < p->n_part; part++) {
            const float *row = x + t * n_in + part * (n_in / p->n_part) + p->from;
            task->exec->options.kernels->add(y + t * n_out, y + t * n_out, row, n_out);
        }
    }
}

// ---- each part with its own matrix ----

// has the plan prepared the parts for the products of inference?
static bool is_prepared(const rg_node *node) {
    return node->op == RG_OP_HEADS && node->p.n_part != 0;
}

size_t rg_cpu_heads_chunks(rg_task *task, const rg_node *node) {
    const rg_value *w = rg_task_value(task, node->in[1]);
    if (!is_prepared(node)) {
        return node->op == RG_OP_HEADS_DW ? node->p.n_part : w->shape[0];
    }
    const bool is_prompt = rg_task_value(task, node->in[0])->shape[0] > RG_PANEL_ROWS;
    size_t per_part = 0;
    task->chunk_size = rg_cpu_cut_rows(task, w->shape[1], w->shape[0], is_prompt, &per_part);
    return per_part * w->shape[0];
}

// y = x w^T of some rows of one part's matrix
static void multiply_part(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    size_t n_in, n_out;
    char *x = (char *)matrix(task, node->in[0], &n_in);
    float *y = matrix(task, node->out[0], &n_out);
    const rg_act_form form = (rg_act_form)node->p.form;
    const rg_value *w = rg_task_value(task, node->in[1]);
    const rg_dtype_info *info = rg_dtype_get(w->dtype);
    const size_t n_tok = rg_task_value(task, node->in[0])->shape[0];
    const size_t rows = w->shape[1];
    const size_t k = w->shape[2];
    const size_t per_part = (rows + task->chunk_size - 1) / task->chunk_size;
    const size_t part = chunk / per_part;
    const size_t from = chunk % per_part * task->chunk_size;
    const size_t end = from + task->chunk_size;
    rg_act act;
    rg_act_init(&act, form, n_tok, k, x + part * rg_act_bytes(form, n_tok, k));
    rg_exec_matmul(task->exec, w->dtype)
        ->fn(y + part * rows, n_out, rg_tensor_slab(&task->b->weights[w->slot], part),
             k / info->block * info->block_bytes, &act, from, end < rows ? end : rows, scratch);
}

// y = x w^T of one part, or dx = dy w
void rg_cpu_heads(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    if (is_prepared(node)) {
        multiply_part(task, node, chunk, scratch);
        return;
    }
    size_t n_in, n_out;
    const float *x = matrix(task, node->in[0], &n_in);
    float *y = matrix(task, node->out[0], &n_out);
    const rg_value *w = rg_task_value(task, node->in[1]);
    const rg_dtype_info *info = rg_dtype_get(w->dtype);
    const size_t n = w->shape[0];
    const rg_gemm g = {.m = rg_task_value(task, node->in[0])->shape[0],
                       .n = n_out / n,
                       .k = n_in / n,
                       .a = x + chunk * (n_in / n),
                       .a_row = n_in,
                       .a_col = 1,
                       .b = rg_tensor_slab(&task->b->weights[w->slot], chunk),
                       .b_dtype = w->dtype,
                       .b_stride = w->shape[2] / info->block * info->block_bytes,
                       .is_b_by_column = node->op == RG_OP_HEADS,
                       .c = y + chunk * (n_out / n),
                       .ldc = n_out};
    rg_exec_gemm(task->exec)(&g, scratch);
}

// dw = dy^T x of one part
void rg_cpu_heads_dw(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    size_t n_dy, n_x;
    const float *dy = matrix(task, node->in[0], &n_dy);
    const float *x = matrix(task, node->in[1], &n_x);
    const size_t rows = n_dy / node->p.n_part;
    const size_t width = n_x / node->p.n_part;
    const rg_gemm g = {.m = rows,
                       .n = width,
                       .k = rg_task_value(task, node->in[0])->shape[0],
                       .a = dy + chunk * rows,
                       .a_row = 1,
                       .a_col = n_dy,
                       .b = x + chunk * width,
                       .b_dtype = RG_DTYPE_F32,
                       .b_stride = n_x * sizeof(float),
                       .c = (float *)rg_task_data(task, node->out[0]) + chunk * rows * width,
                       .ldc = width};
    rg_exec_gemm(task->exec)(&g, scratch);
}
