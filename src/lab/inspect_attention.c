/* Where heads look: softmax of queries on keys, computed again outside the model's own way, which
 * never holds a whole row. */
#include "lab/inspect_internal.h"

#include "tensor/half.h"

#include <math.h>

typedef struct job {
    rg_inspection *seen;
    const rg_op_params *p;
    const float *keys; // of the layer
    const float *q;
    float *rows;
    size_t at;
    size_t pos;
    size_t n;
} job;

static float dot(const float *a, const float *b, size_t n) {
    float sums[8] = {0};
    float sum = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (size_t k = 0; k < 8; k++) {
            sums[k] += a[i + k] * b[i + k];
        }
    }
    for (; i < n; i++) {
        sum += a[i] * b[i];
    }
    for (size_t k = 0; k < 8; k++) {
        sum += sums[k];
    }
    return sum;
}

// weights of token t over tokens 0 to t
static void softmax_row(const job *j, size_t head, size_t t, float *row) {
    const rg_op_params *p = j->p;
    const size_t width = (size_t)p->n_kv_head * p->head_dim;
    const size_t group = p->n_head / p->n_kv_head;
    const float *q = j->q + ((t - j->pos) * p->n_head + head) * p->head_dim;
    const float *k = j->keys + head / group * p->head_dim;
    const size_t from = p->window != 0 && t + 1 > p->window ? t + 1 - p->window : 0;
    float most = -INFINITY;
    double sum = 0;
    for (size_t i = 0; i < from; i++) {
        row[i] = 0;
    }
    for (size_t i = from; i <= t; i++) {
        row[i] = p->scale * dot(q, k + i * width, p->head_dim);
        most = row[i] > most ? row[i] : most;
    }
    for (size_t i = from; i <= t; i++) {
        row[i] = expf(row[i] - most);
        sum += row[i];
    }
    for (size_t i = from; i <= t; i++) {
        row[i] = (float)(row[i] / sum);
    }
}

static void take_looks(rg_head_view *view, const float *row, size_t t) {
    for (size_t i = 0; i <= t; i++) {
        size_t at = RG_INSPECT_LOOKS;
        while (at > 0 && row[i] > view->looks[at - 1].weight) {
            if (at < RG_INSPECT_LOOKS) {
                view->looks[at] = view->looks[at - 1];
            }
            at--;
        }
        if (at < RG_INSPECT_LOOKS) {
            view->looks[at].token = (uint32_t)i;
            view->looks[at].weight = row[i];
        }
    }
}

static void see_head(void *arg, size_t head, unsigned thread) {
    (void)thread;
    const job *j = arg;
    rg_inspection *seen = j->seen;
    rg_head_view *view = &seen->heads[j->at * seen->n_head + head];
    float *row = j->rows + head * seen->n_tok;
    const float share = seen->n_tok > 1 ? 1.0f / (float)(seen->n_tok - 1) : 0;
    for (size_t t = j->pos; t < j->pos + j->n; t++) {
        softmax_row(j, head, t, row);
        double entropy = 0;
        for (size_t i = 0; i <= t; i++) {
            entropy -= row[i] > 0 ? row[i] * log2(row[i]) : 0;
        }
        if (t > 0) {
            view->first += share * row[0];
            view->self += share * row[t];
            view->previous += share * row[t - 1];
            view->entropy += share * (float)entropy;
        }
        if (t + 1 == seen->n_tok) {
            take_looks(view, row, t);
        }
        if (seen->maps != NULL) {
            memcpy((float *)rg_inspection_row(seen, j->at, head, t), row, (t + 1) * sizeof *row);
        }
    }
}

void rg_inspect_attention(rg_inspection *seen, const rg_op_params *p, rg_inspect_keys *keys,
                          rg_pool *pool, size_t at, size_t pos, size_t n, const float *q,
                          const float *k, float *rows) {
    const size_t width = (size_t)p->n_kv_head * p->head_dim;
    float *of_layer = keys->k + at * seen->n_tok * width;
    for (size_t i = 0; i < n * width; i++) {
        of_layer[pos * width + i] = keys->is_f16 ? rg_f32_of_f16(rg_f16_of_f32(k[i])) : k[i];
    }
    job j = {
        .seen = seen, .p = p, .keys = of_layer, .q = q, .rows = rows, .at = at, .pos = pos, .n = n};
    rg_pool_run(pool, p->n_head, see_head, &j);
}
