/*
 * kernel/ is the arithmetic: plain C in scalar/ is the oracle, faster twins live in folders named
 * after their instruction set, and one table chosen at run time reaches them. It relies on base/
 * and tensor/ and knows no graph, no model, no thread: every kernel works on the slice that it is
 * given.
 */
#pragma once

#include "base/cpu.h"
#include "kernel/delta.h"
#include "tensor/dtype.h"

/** The form in which a matrix product wants its activations. */
typedef enum rg_act_form { RG_ACT_F32, RG_ACT_BF16, RG_ACT_Q8, RG_ACT_FORMS } rg_act_form;

/**
 * Activations [n_tok, k], prepared once for all products that share them.
 *
 *   RG_ACT_F32   data: float    [n_tok][k]
 *   RG_ACT_BF16  data: uint16_t [n_tok][k], rounded to nearest even
 *   RG_ACT_Q8    data: int8_t   [n_tok][k]; blocks of 32: x ~ scale * q with
 *                scale = max|x| / 127, q rounded to nearest (ties to even), |q| <= 127;
 *                scale: float [n_tok][k/32]; sum: int32_t [n_tok][k/16], the sum of each 16 q,
 *                for weights that carry an offset or a minimum. k is a multiple of 32.
 */
typedef struct rg_act {
    rg_act_form form;
    size_t n_tok;
    size_t k;
    void *data;
    float *scale;
    int32_t *sum;
} rg_act;

/** A Q8 block whose largest magnitude is below this has q 0: 127 over it may not be finite. */
#define RG_ACT_TINY 1e-36f

/** Bytes of storage for rg_act_init; the storage must be aligned to 64. */
size_t rg_act_bytes(rg_act_form form, size_t n_tok, size_t k);
/** Lay an rg_act out in storage of rg_act_bytes. */
void rg_act_init(rg_act *act, rg_act_form form, size_t n_tok, size_t k, void *storage);
/** Leave n of its tokens, from token `from` on. */
void rg_act_slice(rg_act *act, size_t from, size_t n);

/**
 * Fill tokens [from, to) of act from x.
 * Shapes: x [n_tok, k] f32 with row stride ldx (floats). A NaN or infinity in a Q8 block makes that
 * block's scale NaN, so that it stays visible downstream.
 */
typedef void rg_act_fill_fn(rg_act *act, const float *x, size_t ldx, size_t from, size_t to);

/**
 * y[t][r] = sum_k x[t][k] * w[r][k] for rows r in [row, row_end), all tokens of x.
 *
 * Shapes:  w [rows, k] of the table row's type, rows `w_stride` bytes apart, any alignment;
 *          y f32 with row stride ldy. Never reads past the last byte of row_end - 1.
 * Scratch: RG_SCRATCH_BYTES per thread, aligned to 64.
 * Exact:   a result depends neither on the slice it is computed in nor on the tokens beside it.
 *          AVX2 and AVX-512 give the same bits, but for the products of bf16 activations.
 */
typedef void rg_matmul_fn(float *y, size_t ldy, const void *w, size_t w_stride, const rg_act *x,
                          size_t row, size_t row_end, void *scratch);

/**
 * A product of training: C = A B, or C += A B.
 *
 *   A(i, l) = a[i * a_row + l * a_col]       f32, strides in floats, one of them 1
 *   B(l, j) = row j, value l of b            when is_b_by_column: rows of b are columns of B
 *           = row l, value j of b            otherwise
 *   C(i, j) = c[i * ldc + j]
 *
 * Rows of b are b_stride bytes apart and of any type with a codec: they are expanded a block at a
 * time, never as a whole. y = x w^T, dx = dy w and dw = dy^T x are all of this form.
 */
typedef struct rg_gemm {
    size_t m;
    size_t n;
    size_t k;
    const float *a;
    size_t a_row;
    size_t a_col;
    const void *b;
    rg_dtype b_dtype;
    size_t b_stride;
    bool is_b_by_column;
    float *c;
    size_t ldc;
    bool is_added;
} rg_gemm;

// values along k that are added up before they join C: whole blocks
#define RG_GEMM_K             256
#define RG_GEMM_K_BF16        512
#define RG_GEMM_K_LONGEST     RG_GEMM_K_BF16
#define RG_GEMM_SCRATCH_BYTES ((size_t)640 << 10)

/**
 * Scratch: RG_GEMM_SCRATCH_BYTES, aligned to 64.
 * Exact:   a result does not depend on how C is cut.
 *   gemm       each RG_GEMM_K values are added from first to last, by fused steps where the
 *              processor has them, then to C in their order
 *   gemm_bf16  operands are rounded to bf16 (to nearest even, subnormal ones to zero) as they are
 *              read; each RG_GEMM_K_BF16 values are added in f32 by pairs, of each pair the second
 *              first, then to C in their order: the same bits on every path, but for sums below
 *              2^-126, which AVX-512 BF16 takes as zero
 * Source:  Goto and van de Geijn 2008, Anatomy of high-performance matrix multiplication.
 */
typedef void rg_gemm_fn(const rg_gemm *g, void *scratch);

/** Per-thread scratch that every kernel may use freely. */
#define RG_SCRATCH_BYTES ((size_t)1 << 20)
/** Rows that one panel holds: slices that start and end at multiples of it are fastest. */
#define RG_PANEL_ROWS 16

/** How keys and values lie in a page: [n_kv_head][page_len][dim], f16 or f32. Values may be the
 * beginning of their keys. */
typedef struct rg_attn {
    // queries of one session: q [n_tok][n_head][k_dim] f32 with token stride q_stride (floats)
    const float *q;
    size_t q_stride;
    size_t n_tok;
    size_t pos; // position of the first query; query t sees positions (pos+t-window, pos+t]
    // keys and values of one layer, by position: position p lies in page p / page_len
    const void *const *k_pages;
    const void *const *v_pages;
    size_t page_len;
    rg_dtype kv_dtype; // RG_DTYPE_F16 or RG_DTYPE_F32
    uint32_t n_head;
    uint32_t n_kv_head; // divides n_head; query head h reads head h / (n_head / n_kv_head)
    uint32_t k_dim;
    uint32_t v_dim;
    size_t v_stride; // values from one position to the next: v_dim, or k_dim
    size_t window;   // 0: no window
    size_t chunk;    // 0: none; else a query sees positions from the last multiple of it on
    float scale;     // of q.k before softmax
    float *out;      // [n_tok][n_head][v_dim] f32 with token stride out_stride
    size_t out_stride;
} rg_attn;

/** The first position that the query at `pos` sees. */
static inline size_t rg_attn_first(const rg_attn *a, size_t pos) {
    const size_t from = a->window != 0 && pos + 1 > a->window ? pos + 1 - a->window : 0;
    const size_t begin = a->chunk != 0 ? pos / a->chunk * a->chunk : 0;
    return from > begin ? from : begin;
}

/**
 * Attention of queries [tok, tok_end) for one kv head, all query heads that share it; online
 * softmax in f32, the score matrix is never materialised (tiles in scratch).
 *
 * Masked: positions that no query of the call sees are not read, those that a query does not see
 *         have no part in its result.
 * Exact:  a query's result does not depend on the queries beside it, nor on how a prompt was cut.
 * Source: Dao et al. 2022, arXiv 2205.14135.
 */
typedef void rg_attention_fn(const rg_attn *a, uint32_t kv_head, size_t tok, size_t tok_end,
                             void *scratch);

/**
 * RMS normalisation of each row: y[i] = w[i] * x[i] / sqrt(mean(x^2) + eps).
 * Shapes: x [rows, n] f32 with row stride ldx, y likewise with ldy, y == x allowed;
 *         w [n] f32, NULL: ones.
 * Exact:  sixteen partial sums (lane i takes elements i, i+16, ...), then a fixed tree: the same
 *         bits on every path.
 * Source: Zhang and Sennrich 2019, arXiv 1910.07467.
 */
typedef void rg_rmsnorm_fn(float *y, size_t ldy, const float *x, size_t ldx, const float *w,
                           size_t rows, size_t n, float eps);

/**
 * y[i] = silu(gate[i]) * up[i], silu(v) = v / (1 + exp(-v)); y may be gate or up.
 * Exact: within 4 ulp of silu (and 1e-36, where exp(-v) overflows); the same bits on every path.
 */
typedef void rg_swiglu_fn(float *y, const float *gate, const float *up, size_t n);

/**
 * y[i] = x / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715 x^3): gelu by the formula with tanh,
 * 0.5 x (1 + tanh u). Shapes: [n]; y == x allowed. The same bits on every path.
 */
typedef void rg_gelu_fn(float *y, const float *x, size_t n);

/**
 * Gradient of one row of rmsnorm: dx = r w dy - x r^3 / n sum(w dy x), r = 1 / sqrt(mean(x^2) +
 * eps). Shapes: dx, dy, x, w [n], dx apart from the others. Exact:  sums of 1,024 in f32 in a fixed
 * order, of those in f64: the same bits on every path.
 */
typedef void rg_rmsnorm_dx_fn(float *dx, const float *dy, const float *x, const float *w, size_t n,
                              float eps);

/** Rows whose share of dw is added up in f32 before it joins in f64. */
#define RG_RMSNORM_DW_ROWS 32

/**
 * dw[i] += sum over rows of dy[i] x[i] r.
 * Shapes: dy, x [rows, n] contiguous; dw [n] f64; part [n] is scratch. rows is a multiple of
 *         RG_RMSNORM_DW_ROWS but for the last call. The same bits on every path.
 */
typedef void rg_rmsnorm_dw_fn(double *dw, float *part, const float *dy, const float *x, size_t rows,
                              size_t n, float eps);

/**
 * Gradients of silu(gate) up: with s = 1 / (1 + exp(-gate)), dup = dy gate s and
 * dgate = dy up s (1 + gate (1 - s)).
 * Shapes: all [n]; dgate and dup apart from the others. The same bits on every path.
 */
typedef void rg_swiglu_back_fn(float *dgate, float *dup, const float *dy, const float *gate,
                               const float *up, size_t n);

/** y[i] = a[i] + b[i]; y may be a or b. */
typedef void rg_add_fn(float *y, const float *a, const float *b, size_t n);

/** Which two values of a head turn together. */
typedef enum rg_rope_pairs { RG_ROPE_HALF, RG_ROPE_NEIGHBOR } rg_rope_pairs;

/**
 * Turn the first n_rot values of each head: (u, v) -> (u cos - v sin, u sin + v cos).
 * HALF pairs value i with i + n_rot/2, NEIGHBOR 2i with 2i+1; the rest of the head is copied.
 * Shapes: x, y [n_head, head_dim] f32 contiguous, y == x allowed; cos, sin [n_rot/2].
 * Source: Su et al. 2021, arXiv 2104.09864.
 */
typedef void rg_rope_fn(float *y, const float *x, size_t n_head, size_t head_dim, size_t n_rot,
                        rg_rope_pairs pairs, const float *cos, const float *sin);

/**
 * Cross-entropy of one row: -log softmax(x)[target], and where dx is not NULL its gradient
 * dx = (softmax(x) - onehot(target)) * scale.
 * Shapes: x, dx [n], dx == x allowed; target < n. A NaN in x gives NaN.
 * Exact:  sums of 1,024 in f32 in a fixed order, of those in f64: the same bits on every path.
 */
typedef float rg_softmax_xent_fn(float *dx, const float *x, size_t n, size_t target, float scale);

/** What the softmax of one row of scores has come to so far; start with top -INFINITY, zeros. */
typedef struct rg_softmax_row {
    float top;   // largest scaled score
    double sum;  // of exp(score - top)
    double mean; // of the same times dp; over sum: what the gradient of every score loses
} rg_softmax_row;

/**
 * Take n more scores s (times scale) and gradients dp of their probabilities into a row; dp NULL:
 * scores alone.
 * Exact: sums of a call in f32 in a fixed order: the same bits on every path.
 */
typedef void rg_softmax_take_fn(rg_softmax_row *row, const float *s, const float *dp, size_t n,
                                float scale);
/**
 * Once all of a row is taken: s becomes its probabilities, dp the gradient of the unscaled scores,
 * scale * p * (dp - mean / sum).
 * Source: Dao et al. 2022, arXiv 2205.14135, appendix B.
 */
typedef void rg_softmax_back_fn(const rg_softmax_row *row, float *s, float *dp, size_t n,
                                float scale);

/** One step of AdamW. bias1, bias2: 1 / (1 - beta^step); decay is decoupled and multiplied by lr;
 * grad_scale multiplies every gradient first (clipping, mean over a batch). */
typedef struct rg_adamw {
    float lr;
    float beta1;
    float beta2;
    float eps;
    float decay;
    float bias1;
    float bias2;
    float grad_scale;
} rg_adamw;

/**
 * w, m, v [n] are updated from the gradient g [n]. The same bits on every path.
 * Source: Loshchilov and Hutter 2019, arXiv 1711.05101.
 */
typedef void rg_adamw_fn(float *w, float *m, float *v, const float *g, size_t n, const rg_adamw *a);

/** Convert n values, round to nearest even. */
typedef void rg_f32_to_f16_fn(uint16_t *dst, const float *src, size_t n);

typedef struct rg_matmul_row {
    rg_act_form form; // what fn wants
    rg_matmul_fn *fn; // NULL: a type without numbers
    const char *note; // which kernel, for `raga doctor`
} rg_matmul_row;

/** The table. Filled from general to special, every entry set. Read-only after that. */
typedef struct rg_kernels {
    rg_cpu cpu;
    const char *name;                           // "scalar", "avx2", "avx512"
    rg_matmul_row matmul[RG_DTYPE_COUNT];       // activations as rounded as the type deserves
    rg_matmul_row matmul_exact[RG_DTYPE_COUNT]; // f32 activations, weights expanded to f32
    rg_act_fill_fn *act_fill[RG_ACT_FORMS];
    rg_attention_fn *attention;
    rg_rmsnorm_fn *rmsnorm;
    rg_rmsnorm_dx_fn *rmsnorm_dx;
    rg_rmsnorm_dw_fn *rmsnorm_dw;
    rg_swiglu_fn *swiglu;
    rg_gelu_fn *gelu_tanh;
    rg_swiglu_back_fn *swiglu_back;
    rg_add_fn *add;
    rg_rope_fn *rope;
    rg_f32_to_f16_fn *f32_to_f16;
    rg_softmax_xent_fn *softmax_xent;
    rg_softmax_take_fn *softmax_take;
    rg_softmax_back_fn *softmax_back;
    rg_adamw_fn *adamw;
    rg_delta_run_fn *delta_run; // delta.h
    rg_conv_sums_fn *conv_sums;
    rg_gemm_fn *gemm;
    rg_gemm_fn *gemm_bf16; // operands rounded to bf16
} rg_kernels;

/** Fill the table for what `cpu` has (see rg_cpu_choose). Threads: any thread. */
void rg_kernels_select(rg_kernels *k, rg_cpu cpu);
