#include "kernel/gemm.h"
#include "kernel/scalar/scalar.h"

enum { COLUMNS = 256 }; // of B that are expanded at a time: whole blocks

_Static_assert(RG_GEMM_K_LONGEST *COLUMNS * sizeof(float) <= RG_GEMM_SCRATCH_BYTES, "a block of B");

/** What differs between products of f32 and of rounded operands. */
typedef struct way {
    size_t k; // values that are added up before they join C
    bool is_bf16;
} way;

static float operand(const way *w, float v) {
    return w->is_bf16 ? rg_gemm_round(v) : v;
}

// which of n values along k is added as the x-th
static size_t turn_of(const way *w, size_t x, size_t n) {
    const size_t other = x ^ 1;
    return w->is_bf16 && other < n ? other : x;
}

// the values of row `row` of b, from `at` on, as f32
static void expand(const way *w, const rg_gemm *g, float *to, size_t row, size_t at, size_t n) {
    const rg_dtype_info *info = rg_dtype_get(g->b_dtype);
    info->to_float(
        to, (const char *)g->b + row * g->b_stride + at / info->block * info->block_bytes, n);
    for (size_t i = 0; i < n; i++) {
        to[i] = operand(w, to[i]);
    }
}

// values [l, l + k) of B's column j
static void by_column(const way *w, const rg_gemm *g, size_t l, size_t k) {
    float column[RG_GEMM_K_LONGEST];
    for (size_t j = 0; j < g->n; j++) {
        expand(w, g, column, j, l, k);
        for (size_t i = 0; i < g->m; i++) {
            const float *a = g->a + i * g->a_row + l * g->a_col;
            float sum = 0;
            for (size_t x = 0; x < k; x++) {
                const size_t at = turn_of(w, x, k);
                sum += operand(w, a[at * g->a_col]) * column[at];
            }
            g->c[i * g->ldc + j] += sum;
        }
    }
}

// values [j, j + n) of B's rows [l, l + k)
static void by_row(const way *w, const rg_gemm *g, float *block, size_t l, size_t k, size_t j,
                   size_t n) {
    float sum[COLUMNS];
    for (size_t x = 0; x < k; x++) {
        expand(w, g, block + x * COLUMNS, l + x, j, n);
    }
    for (size_t i = 0; i < g->m; i++) {
        memset(sum, 0, sizeof sum);
        for (size_t x = 0; x < k; x++) {
            const size_t at = turn_of(w, x, k);
            const float a = operand(w, g->a[i * g->a_row + (l + at) * g->a_col]);
            for (size_t y = 0; y < n; y++) {
                sum[y] += a * block[at * COLUMNS + y];
            }
        }
        for (size_t y = 0; y < n; y++) {
            g->c[i * g->ldc + j + y] += sum[y];
        }
    }
}

static void multiply(const way *w, const rg_gemm *g, float *block) {
    for (size_t i = 0; i < g->m && !g->is_added; i++) {
        memset(g->c + i * g->ldc, 0, g->n * sizeof *g->c);
    }
    for (size_t l = 0; l < g->k; l += w->k) {
        const size_t k = g->k - l < w->k ? g->k - l : w->k;
        if (g->is_b_by_column) {
            by_column(w, g, l, k);
            continue;
        }
        for (size_t j = 0; j < g->n; j += COLUMNS) {
            by_row(w, g, block, l, k, j, g->n - j < COLUMNS ? g->n - j : COLUMNS);
        }
    }
}

void rg_scalar_gemm(const rg_gemm *g, void *scratch) {
    multiply(&(way){.k = RG_GEMM_K}, g, scratch);
}

void rg_scalar_gemm_bf16(const rg_gemm *g, void *scratch) {
    multiply(&(way){.k = RG_GEMM_K_BF16, .is_bf16 = true}, g, scratch);
}
