#include "train/muon.h"

#include "base/mem.h"

#include <math.h>

enum { ITERATIONS = 5 };

// of the quintic that takes singular values from (0, 1] to about [0.7, 1.2]
#define NS_A 3.4445f
#define NS_B (-4.7750f)
#define NS_C 2.0315f

#define UPDATE_RMS 0.2f // of an update of AdamW, over lr

/** Scratch, laid out: the matrix, its successor, and two squares of the shorter side. */
typedef struct layout {
    size_t gemm; // bytes in front, for the products
    size_t n;    // values of the matrix
    size_t side; // the shorter side
    size_t bytes;
} layout;

static layout lay_out(size_t rows, size_t columns) {
    layout l = {.gemm = rg_round_up(RG_GEMM_SCRATCH_BYTES, 64),
                .side = rows < columns ? rows : columns};
    size_t square = 0;
    size_t values = 0;
    if (!rg_mul_size(rows, columns, &l.n) || !rg_mul_size(l.side, l.side, &square) ||
        !rg_add_size(l.n, square, &values) || !rg_mul_size(values, 2 * sizeof(float), &l.bytes) ||
        !rg_add_size(l.bytes, l.gemm + 4 * 64, &l.bytes)) {
        l.bytes = SIZE_MAX;
        return l;
    }
    l.bytes = l.bytes / 64 * 64;
    return l;
}

size_t rg_muon_scratch_bytes(size_t rows, size_t columns) {
    return lay_out(rows, columns).bytes;
}

/** A product of dense matrices on its way to the kernel. */
typedef struct product {
    rg_gemm_fn *gemm;
    void *scratch;
} product;

// c [m, n] = a b with rows of n, k values; a or b may be read turned
static void multiply(const product *p, float *c, size_t m, size_t n, size_t k, const float *a,
                     bool is_a_turned, const float *b, bool is_b_turned) {
    const rg_gemm g = {.m = m,
                       .n = n,
                       .k = k,
                       .a = a,
                       .a_row = is_a_turned ? 1 : k,
                       .a_col = is_a_turned ? m : 1,
                       .b = b,
                       .b_dtype = RG_DTYPE_F32,
                       .b_stride = (is_b_turned ? k : n) * sizeof(float),
                       .is_b_by_column = is_b_turned,
                       .c = c,
                       .ldc = n};
    p->gemm(&g, p->scratch);
}

// momentum, and the direction of the step in x; its 2-norm
static double look_ahead(float *x, float *m, const float *g, size_t n, const rg_muon *o) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const float value = g[i] * o->grad_scale;
        m[i] += (1 - o->momentum) * (value - m[i]);
        x[i] = value + o->momentum * (m[i] - value);
        sum += (double)x[i] * (double)x[i];
    }
    return sqrt(sum);
}

void rg_muon_update(rg_gemm_fn *gemm, float *w, float *m, const float *g, size_t rows,
                    size_t columns, const rg_muon *o, void *scratch) {
    const layout l = lay_out(rows, columns);
    const product p = {gemm, scratch};
    float *x = (float *)(void *)((char *)scratch + l.gemm);
    float *next = x + rg_round_up(l.n, 16);
    float *gram = next + rg_round_up(l.n, 16);
    float *square = gram + rg_round_up(l.side * l.side, 16);
    const size_t n_gram = l.side * l.side;
    const bool is_wide = rows <= columns;
    const double norm = look_ahead(x, m, g, l.n, o);
    const bool has_direction = norm > 1e-30; // momentum that has died away points nowhere
    const float shrink = has_direction ? (float)(1 / norm) : 0;
    for (size_t i = 0; i < l.n; i++) {
        x[i] *= shrink;
    }
    for (size_t step = 0; step < ITERATIONS && has_direction; step++) {
        // the smaller of XX^T and X^T X
        if (is_wide) {
            multiply(&p, gram, rows, rows, columns, x, false, x, true);
        } else {
            multiply(&p, gram, columns, columns, rows, x, true, x, false);
        }
        multiply(&p, square, l.side, l.side, l.side, gram, false, gram, false);
        for (size_t i = 0; i < n_gram; i++) {
            gram[i] = NS_B * gram[i] + NS_C * square[i];
        }
        if (is_wide) {
            multiply(&p, next, rows, columns, rows, gram, false, x, false);
        } else {
            multiply(&p, next, rows, columns, columns, x, false, gram, false);
        }
        for (size_t i = 0; i < l.n; i++) {
            x[i] = NS_A * x[i] + next[i];
        }
    }
    const size_t longer = rows > columns ? rows : columns;
    const float scale = o->lr * UPDATE_RMS * sqrtf((float)longer);
    const float keep = 1 - o->lr * o->decay;
    for (size_t i = 0; i < l.n; i++) {
        w[i] = keep * w[i] - scale * x[i];
    }
}
