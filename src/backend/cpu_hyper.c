/* Hyper-connections on the cpu: the weights that residual streams are mixed by, the mixes, their
 * gradients; and clamping. */
#include "backend/exec_internal.h"

#include <math.h>

enum {
    N = RG_STREAMS,
    CELLS = N * N,
    STEPS_MAX = 2 * RG_SINKHORN_MAX,
};

/** Sinkhorn's steps as they were taken: columns, then rows and columns in turn. */
typedef struct steps {
    size_t n;
    double soft[CELLS];             // the softmax that they start from
    double cells[STEPS_MAX][CELLS]; // after each
    double sums[STEPS_MAX][N];      // that its columns or rows were divided by
} steps;

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

// the cell of row or column `line` at place i: even steps go by columns
static size_t cell_at(size_t step, size_t line, size_t i) {
    return step % 2 == 0 ? i * N + line : line * N + i;
}

static void take_step(const double *from, double *to, double *sums, size_t step, double eps) {
    for (size_t line = 0; line < N; line++) {
        sums[line] = eps;
        for (size_t i = 0; i < N; i++) {
            sums[line] += from[cell_at(step, line, i)];
        }
        for (size_t i = 0; i < N; i++) {
            to[cell_at(step, line, i)] = from[cell_at(step, line, i)] / sums[line];
        }
    }
}

static void sinkhorn(steps *s, const double *z, const rg_op_params *p) {
    const double eps = (double)p->eps;
    double first[CELLS];
    for (size_t row = 0; row < N; row++) {
        double top = -INFINITY, sum = 0;
        for (size_t i = row * N; i < (row + 1) * N; i++) {
            top = z[i] > top ? z[i] : top;
        }
        for (size_t i = row * N; i < (row + 1) * N; i++) {
            s->soft[i] = exp(z[i] - top);
            sum += s->soft[i];
        }
        for (size_t i = row * N; i < (row + 1) * N; i++) {
            s->soft[i] /= sum;
            first[i] = s->soft[i] + eps;
        }
    }
    s->n = 2 * (size_t)p->n_iter - 1;
    for (size_t k = 0; k < s->n; k++) {
        take_step(k == 0 ? first : s->cells[k - 1], s->cells[k], s->sums[k], k, eps);
    }
}

// d, the gradient of the last cells, becomes that of z
static void sinkhorn_back(const steps *s, double *d) {
    for (size_t k = s->n; k-- > 0;) {
        for (size_t line = 0; line < N; line++) {
            double along = 0;
            for (size_t i = 0; i < N; i++) {
                along += d[cell_at(k, line, i)] * s->cells[k][cell_at(k, line, i)];
            }
            for (size_t i = 0; i < N; i++) {
                double *cell = &d[cell_at(k, line, i)];
                *cell = (*cell - along) / s->sums[k][line];
            }
        }
    }
    for (size_t row = 0; row < N; row++) {
        double along = 0;
        for (size_t i = row * N; i < (row + 1) * N; i++) {
            along += d[i] * s->soft[i];
        }
        for (size_t i = row * N; i < (row + 1) * N; i++) {
            d[i] = s->soft[i] * (d[i] - along);
        }
    }
}

static float *row_of(const rg_task *task, rg_val v, size_t t) {
    return (float *)rg_task_data(task, v) + t * rg_task_value(task, v)->shape[1];
}

// z = m * scale + base
static double logit_at(const float *m, const float *base, const float *scale, size_t i) {
    const size_t part = i < N ? 0 : i < (size_t)2 * N ? 1 : 2; // pre, post, C
    return (double)m[i] * scale[part] + base[i];
}

void rg_cpu_hyper(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const rg_op_params *p = &node->p;
    const size_t width = rg_task_value(task, node->in[0])->shape[1];
    const float *base = rg_task_data(task, node->in[1]);
    const float *scale = rg_task_data(task, node->in[2]);
    steps s;
    for (size_t t = from; t < to; t++) {
        const float *m = row_of(task, node->in[0], t);
        float *w = row_of(task, node->out[0], t);
        for (size_t i = 0; i < N; i++) {
            w[i] = (float)(sigmoid(logit_at(m, base, scale, i)) + (double)p->eps);
        }
        if (width == N) {
            continue;
        }
        double z[CELLS];
        for (size_t i = N; i < (size_t)2 * N; i++) {
            w[i] = (float)(2 * sigmoid(logit_at(m, base, scale, i)));
        }
        for (size_t i = 0; i < CELLS; i++) {
            z[i] = logit_at(m, base, scale, (size_t)2 * N + i);
        }
        sinkhorn(&s, z, p);
        for (size_t i = 0; i < CELLS; i++) {
            w[2 * N + i] = (float)s.cells[s.n - 1][i];
        }
    }
}

// gradients of the logits z of one token
static void logits_back(const rg_op_params *p, const float *dw, const float *m, const float *base,
                        const float *scale, size_t width, double *dz) {
    for (size_t i = 0; i < width && i < (size_t)2 * N; i++) {
        const double share = sigmoid(logit_at(m, base, scale, i));
        dz[i] = (double)dw[i] * (i < N ? 1 : 2) * share * (1 - share);
    }
    if (width == N) {
        return;
    }
    steps s;
    double z[CELLS];
    for (size_t i = 0; i < CELLS; i++) {
        z[i] = logit_at(m, base, scale, (size_t)2 * N + i);
        dz[2 * N + i] = (double)dw[2 * N + i];
    }
    sinkhorn(&s, z, p);
    sinkhorn_back(&s, dz + (size_t)2 * N);
}

void rg_cpu_hyper_back(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    const rg_value *v = rg_task_value(task, node->in[1]);
    const size_t width = v->shape[1];
    const float *base = rg_task_data(task, node->in[2]);
    const float *scale = rg_task_data(task, node->in[3]);
    float *dbase = rg_task_data(task, node->out[1]);
    float *dscale = rg_task_data(task, node->out[2]);
    double base_sums[RG_STREAM_WEIGHTS] = {0}, scale_sums[3] = {0};
    (void)chunk;
    (void)scratch;
    for (size_t t = 0; t < v->shape[0]; t++) {
        const float *m = row_of(task, node->in[1], t);
        float *dm = row_of(task, node->out[0], t);
        double dz[RG_STREAM_WEIGHTS];
        logits_back(&node->p, row_of(task, node->in[0], t), m, base, scale, width, dz);
        for (size_t i = 0; i < width; i++) {
            const size_t part = i < N ? 0 : i < (size_t)2 * N ? 1 : 2;
            dm[i] = (float)(dz[i] * (double)scale[part]);
            base_sums[i] += dz[i];
            scale_sums[part] += dz[i] * (double)m[i];
        }
    }
    for (size_t i = 0; i < width; i++) {
        dbase[i] = (float)base_sums[i];
    }
    for (size_t i = 0; i < rg_task_value(task, node->in[3])->shape[0]; i++) {
        dscale[i] = (float)scale_sums[i];
    }
}

void rg_cpu_hyper_in(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n = rg_task_value(task, node->out[0])->shape[1];
    for (size_t t = from; t < to; t++) {
        const float *x = row_of(task, node->in[0], t);
        const float *pre = row_of(task, node->in[1], t);
        float *u = row_of(task, node->out[0], t);
        for (size_t i = 0; i < n; i++) {
            u[i] =
                pre[0] * x[i] + pre[1] * x[n + i] + pre[2] * x[2 * n + i] + pre[3] * x[3 * n + i];
        }
    }
}

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)a[i] * b[i];
    }
    return sum;
}

void rg_cpu_hyper_in_back(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n = rg_task_value(task, node->in[0])->shape[1];
    const size_t width = rg_task_value(task, node->in[2])->shape[1];
    for (size_t t = from; t < to; t++) {
        const float *du = row_of(task, node->in[0], t);
        const float *x = row_of(task, node->in[1], t);
        const float *pre = row_of(task, node->in[2], t);
        float *dx = row_of(task, node->out[0], t);
        float *dw = row_of(task, node->out[1], t);
        memset(dw, 0, width * sizeof *dw);
        for (size_t k = 0; k < N; k++) {
            dw[k] = (float)dot(du, x + k * n, n);
            for (size_t i = 0; i < n; i++) {
                dx[k * n + i] = pre[k] * du[i];
            }
        }
    }
}

void rg_cpu_hyper_out(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n = rg_task_value(task, node->in[1])->shape[1];
    for (size_t t = from; t < to; t++) {
        const float *x = row_of(task, node->in[0], t);
        const float *y = row_of(task, node->in[1], t);
        const float *post = row_of(task, node->in[2], t) + N;
        const float *c = post + N;
        float *out = row_of(task, node->out[0], t);
        for (size_t k = 0; k < N; k++) {
            for (size_t i = 0; i < n; i++) {
                out[k * n + i] =
                    post[k] * y[i] + (c[k] * x[i] + c[N + k] * x[n + i] +
                                      c[2 * N + k] * x[2 * n + i] + c[3 * N + k] * x[3 * n + i]);
            }
        }
    }
}

void rg_cpu_hyper_out_back(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const size_t n = rg_task_value(task, node->in[2])->shape[1];
    for (size_t t = from; t < to; t++) {
        const float *dout = row_of(task, node->in[0], t);
        const float *x = row_of(task, node->in[1], t);
        const float *y = row_of(task, node->in[2], t);
        const float *post = row_of(task, node->in[3], t) + N;
        const float *c = post + N;
        float *dx = row_of(task, node->out[0], t);
        float *dy = row_of(task, node->out[1], t);
        float *dw = row_of(task, node->out[2], t);
        memset(dw, 0, N * sizeof *dw); // pre has no part in this
        for (size_t i = 0; i < n; i++) {
            dy[i] = post[0] * dout[i] + post[1] * dout[n + i] + post[2] * dout[2 * n + i] +
                    post[3] * dout[3 * n + i];
        }
        for (size_t k = 0; k < N; k++) {
            dw[N + k] = (float)dot(dout + k * n, y, n);
            for (size_t j = 0; j < N; j++) {
                dw[2 * N + j * N + k] = (float)dot(dout + k * n, x + j * n, n);
            }
            const float *to_all = c + k * N; // of stream k
            for (size_t i = 0; i < n; i++) {
                dx[k * n + i] = to_all[0] * dout[i] + to_all[1] * dout[n + i] +
                                to_all[2] * dout[2 * n + i] + to_all[3] * dout[3 * n + i];
            }
        }
    }
}

// ---- clamping ----

static bool is_over(const rg_op_params *p, float x) {
    return x > p->limit;
}

static bool is_under(const rg_op_params *p, float x) {
    return !p->is_above && x < -p->limit;
}

void rg_cpu_clamp(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const rg_op_params *p = &node->p;
    const size_t n = (to - from) * rg_task_value(task, node->in[0])->shape[1];
    const float *x = row_of(task, node->in[0], from);
    float *y = row_of(task, node->out[0], from);
    for (size_t i = 0; i < n; i++) {
        y[i] = is_over(p, x[i]) ? p->limit : is_under(p, x[i]) ? -p->limit : x[i];
    }
}

void rg_cpu_clamp_dx(const rg_task *task, const rg_node *node, size_t from, size_t to) {
    const rg_op_params *p = &node->p;
    const size_t n = (to - from) * rg_task_value(task, node->in[0])->shape[1];
    const float *dy = row_of(task, node->in[0], from);
    const float *x = row_of(task, node->in[1], from);
    float *dx = row_of(task, node->out[0], from);
    for (size_t i = 0; i < n; i++) {
        dx[i] = is_over(p, x[i]) || is_under(p, x[i]) ? 0 : dy[i];
    }
}
