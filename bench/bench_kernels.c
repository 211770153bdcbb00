/*
 * Speed of the kernels beside what the machine can do.
 *
 *   bench_kernels [--json] [--threads 1,2] [--only TEXT] [--repeats N]
 *
 * Decode: one token, more weights than the caches hold; GB/s of weights against sequential reading.
 * Prefill: 512 tokens; 1e9 operations per second against the peak of the instruction that the
 * kernel uses. Attention: one layer of 16 query and 8 kv heads of 128 values, f16 cache, one token
 * or 512 at a depth. Every figure is the best of several repetitions, limits measured between them.
 */
#include "base/clock.h"
#include "base/pool.h"
#include "kernel/kernels.h"
#include "kernel/peak.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    THREADS_MAX = 64,
    PAGE_LEN = 64,
    HEAD_DIM = 128,
    N_HEAD = 16,
    N_KV_HEAD = 8,
};

#define DECODE_BYTES ((size_t)160 << 20) // of weights, so that no cache holds them

typedef struct settings {
    bool is_json;
    const char *only; // part of a row's name
    int repeats;
    unsigned threads[8];
    size_t n_threads;
} settings;

typedef struct bench {
    const settings *set;
    const rg_kernels *kernels;
    rg_pool *pool;
    unsigned threads;
    void *scratch[THREADS_MAX];
    char *weights;             // random bytes, DECODE_BYTES and a little
    double read_limit;         // bytes per nanosecond
    double op_limit[RG_PEAKS]; // operations per nanosecond
    bool is_first_row;
} bench;

static void *big_alloc(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        fprintf(stderr, "bench_kernels: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    return p;
}

// ---- limits ----

typedef struct limit_job {
    const bench *b;
    rg_peak kind;
    double operations[THREADS_MAX];
    uint64_t sum[THREADS_MAX];
} limit_job;

static void peak_chunk(void *arg, size_t chunk, unsigned thread) {
    limit_job *job = arg;
    (void)thread;
    job->operations[chunk] = rg_peak_run(job->b->kernels->cpu, job->kind, 400000);
}

static void read_chunk(void *arg, size_t chunk, unsigned thread) {
    limit_job *job = arg;
    const size_t part = DECODE_BYTES / job->b->threads / 4096 * 4096;
    job->sum[thread] += rg_peak_read(job->b->kernels->cpu, job->b->weights + chunk * part, part);
}

static void measure_limits(bench *b) {
    limit_job job = {.b = b};
    for (int kind = 0; kind < RG_PEAKS; kind++) {
        job.kind = (rg_peak)kind;
        const uint64_t start = rg_clock_ns();
        rg_pool_run(b->pool, b->threads, peak_chunk, &job);
        const double ns = (double)(rg_clock_ns() - start);
        const double rate = job.operations[0] * b->threads / ns;
        b->op_limit[kind] = rate > b->op_limit[kind] ? rate : b->op_limit[kind];
    }
    const uint64_t start = rg_clock_ns();
    rg_pool_run(b->pool, b->threads, read_chunk, &job);
    const double rate = (double)DECODE_BYTES / (double)(rg_clock_ns() - start);
    b->read_limit = rate > b->read_limit ? rate : b->read_limit;
}

// ---- output ----

static void print_row(bench *b, const char *name, double rate, const char *unit, double limit) {
    if (b->set->is_json) {
        printf("%s\n  {\"name\": \"%s\", \"level\": \"%s\", \"threads\": %u, \"rate\": %.2f, "
               "\"unit\": \"%s\", \"limit\": %.2f}",
               b->is_first_row ? "" : ",", name, b->kernels->name, b->threads, rate, unit, limit);
    } else {
        printf("%-34s %-7s %u  %9.1f %-7s %5.1f %% of %.1f\n", name, b->kernels->name, b->threads,
               rate, unit, limit > 0 ? 100 * rate / limit : 0, limit);
    }
    b->is_first_row = false;
    fflush(stdout);
}

// ---- products ----

typedef struct product {
    bench *b;
    const rg_matmul_row *row;
    const char *w;
    size_t w_stride;
    size_t rows;
    size_t chunk;
    rg_act act;
    float *y;
} product;

static void product_chunk(void *arg, size_t chunk, unsigned thread) {
    product *p = arg;
    const size_t from = chunk * p->chunk;
    const size_t to = from + p->chunk < p->rows ? from + p->chunk : p->rows;
    p->row->fn(p->y, p->rows, p->w, p->w_stride, &p->act, from, to, p->b->scratch[thread]);
}

static void bench_product(bench *b, rg_dtype dtype, bool is_exact, size_t k, size_t rows,
                          size_t n_tok) {
    const rg_dtype_info *info = rg_dtype_get(dtype);
    char name[96];
    snprintf(name, sizeof name, "%s %s%s %zux%zu", n_tok == 1 ? "decode" : "prefill", info->name,
             is_exact ? " exact" : "", k,
             rows == 0 ? DECODE_BYTES / (k / info->block * info->block_bytes) / 64 * 64 : rows);
    if (n_tok != 1 && n_tok != 512) {
        snprintf(name, sizeof name, "%zu tokens %s%s %zux%zu", n_tok, info->name,
                 is_exact ? " exact" : "", k,
                 rows == 0 ? DECODE_BYTES / (k / info->block * info->block_bytes) / 64 * 64 : rows);
    }
    if (b->set->only != NULL && strstr(name, b->set->only) == NULL) {
        return;
    }
    product p = {.b = b,
                 .row = is_exact ? &b->kernels->matmul_exact[dtype] : &b->kernels->matmul[dtype],
                 .w = b->weights,
                 .w_stride = k / info->block * info->block_bytes,
                 .rows = rows};
    if (rows == 0) {
        p.rows = rows = DECODE_BYTES / p.w_stride / 64 * 64;
    }
    // as backend/ cuts them
    p.chunk = rg_round_up((rows + b->threads * 8 - 1) / (b->threads * 8), RG_PANEL_ROWS);
    p.chunk = n_tok > RG_PANEL_ROWS && p.chunk > 64 ? 64 : p.chunk;

    const size_t act_bytes = rg_act_bytes(p.row->form, n_tok, k);
    void *storage = big_alloc(act_bytes);
    float *x = big_alloc(n_tok * k * sizeof *x);
    p.y = big_alloc(n_tok * rows * sizeof *p.y);
    for (size_t i = 0; i < n_tok * k; i++) {
        x[i] = sinf((float)i);
    }
    rg_act_init(&p.act, p.row->form, n_tok, k, storage);
    b->kernels->act_fill[p.row->form](&p.act, x, k, 0, n_tok);

    double best = INFINITY;
    for (int i = 0; i < b->set->repeats; i++) {
        const uint64_t start = rg_clock_ns();
        rg_pool_run(b->pool, (p.rows + p.chunk - 1) / p.chunk, product_chunk, &p);
        const double ns = (double)(rg_clock_ns() - start);
        best = ns < best ? ns : best;
        if (i % 2 == 0) {
            measure_limits(b);
        }
    }
    if (n_tok <= 4) {
        print_row(b, name, (double)(rows * p.w_stride) / best, "GB/s", b->read_limit);
    } else {
        const rg_peak peak = p.row->form == RG_ACT_Q8     ? RG_PEAK_INT8
                             : p.row->form == RG_ACT_BF16 ? RG_PEAK_BF16
                                                          : RG_PEAK_F32;
        print_row(b, name, 2.0 * (double)(n_tok * k * rows) / best, "Gop/s", b->op_limit[peak]);
    }
    munmap(storage, act_bytes);
    munmap(x, n_tok * k * sizeof *x);
    munmap(p.y, n_tok * rows * sizeof *p.y);
}

// ---- attention ----

static void attention_chunk(void *arg, size_t chunk, unsigned thread) {
    struct {
        const bench *b;
        const rg_attn *a;
    } *job = arg;
    const size_t from = chunk / N_KV_HEAD * 64;
    const size_t to = from + 64 < job->a->n_tok ? from + 64 : job->a->n_tok;
    job->b->kernels->attention(job->a, (uint32_t)(chunk % N_KV_HEAD), from, to,
                               job->b->scratch[thread]);
}

static void bench_attention(bench *b, size_t depth, size_t n_tok) {
    enum { LAYERS = 24 }; // so that a token's keys and values come from memory
    char name[96];
    snprintf(name, sizeof name, "attention %s at %zu", n_tok == 1 ? "decode" : "prefill", depth);
    if (b->set->only != NULL && strstr(name, b->set->only) == NULL) {
        return;
    }
    const size_t n_pages = (depth + n_tok + PAGE_LEN - 1) / PAGE_LEN;
    const size_t page_bytes = (size_t)N_KV_HEAD * PAGE_LEN * HEAD_DIM * 2;
    uint16_t *cache = big_alloc(LAYERS * n_pages * 2 * page_bytes);
    for (size_t i = 0; i < LAYERS * n_pages * page_bytes; i++) {
        cache[i] = (uint16_t)(0x3000 + i * 7919 % 0x800 + (i % 3 == 0 ? 0x8000 : 0));
    }
    const void **pages = calloc(LAYERS * n_pages * 2, sizeof *pages);
    for (size_t i = 0; i < LAYERS * n_pages * 2; i++) {
        pages[i] = (char *)cache + i * page_bytes;
    }
    const size_t stride = (size_t)N_HEAD * HEAD_DIM;
    float *q = big_alloc(n_tok * stride * sizeof *q);
    float *out = big_alloc(n_tok * stride * sizeof *out);
    for (size_t i = 0; i < n_tok * stride; i++) {
        q[i] = sinf((float)i);
    }
    rg_attn a = {.q = q,
                 .q_stride = stride,
                 .n_tok = n_tok,
                 .pos = depth,
                 .page_len = PAGE_LEN,
                 .kv_dtype = RG_DTYPE_F16,
                 .n_head = N_HEAD,
                 .n_kv_head = N_KV_HEAD,
                 .k_dim = HEAD_DIM,
                 .v_dim = HEAD_DIM,
                 .v_stride = HEAD_DIM,
                 .scale = 0.088f,
                 .out = out,
                 .out_stride = stride};
    struct {
        const bench *b;
        const rg_attn *a;
    } job = {b, &a};
    const size_t n_layers = n_tok == 1 ? LAYERS : 1;
    double best = INFINITY;
    for (int i = 0; i < b->set->repeats; i++) {
        const uint64_t start = rg_clock_ns();
        for (size_t layer = 0; layer < n_layers; layer++) {
            a.k_pages = pages + layer * 2 * n_pages;
            a.v_pages = a.k_pages + n_pages;
            rg_pool_run(b->pool, (n_tok + 63) / 64 * N_KV_HEAD, attention_chunk, &job);
        }
        const double ns = (double)(rg_clock_ns() - start);
        best = ns < best ? ns : best;
        if (i % 2 == 0) {
            measure_limits(b);
        }
    }
    if (n_tok == 1) {
        const double bytes =
            (double)n_layers * (double)(depth + 1) * N_KV_HEAD * HEAD_DIM * 2 * sizeof *cache;
        print_row(b, name, bytes / best, "GB/s", b->read_limit);
    } else {
        const double pairs = (double)n_tok * ((double)depth + (double)(n_tok + 1) / 2);
        print_row(b, name, 4.0 * pairs * N_HEAD * HEAD_DIM / best, "Gop/s",
                  b->op_limit[RG_PEAK_F32]);
    }
    munmap(cache, LAYERS * n_pages * 2 * page_bytes);
    munmap(q, n_tok * stride * sizeof *q);
    munmap(out, n_tok * stride * sizeof *out);
    free(pages);
}

// ---- products of training ----

static void bench_gemm(bench *b, const char *what, size_t m, size_t n, size_t k, bool is_a_turned,
                       bool is_b_by_column) {
    char name[96];
    snprintf(name, sizeof name, "train %s %zux%zux%zu", what, m, n, k);
    if (b->set->only != NULL && strstr(name, b->set->only) == NULL) {
        return;
    }
    float *a = big_alloc(m * k * sizeof *a);
    float *w = big_alloc(n * k * sizeof *w);
    float *c = big_alloc(m * n * sizeof *c);
    for (size_t i = 0; i < m * k; i++) {
        a[i] = (float)(i % 13) - 6;
    }
    for (size_t i = 0; i < n * k; i++) {
        w[i] = (float)(i % 17) - 8;
    }
    const rg_gemm g = {.m = m,
                       .n = n,
                       .k = k,
                       .a = a,
                       .a_row = is_a_turned ? 1 : k,
                       .a_col = is_a_turned ? m : 1,
                       .b = w,
                       .b_stride = (is_b_by_column ? k : n) * sizeof *w,
                       .is_b_by_column = is_b_by_column,
                       .c = c,
                       .ldc = n};
    double best = 0;
    for (int i = 0; i < b->set->repeats; i++) {
        const uint64_t start = rg_clock_ns();
        b->kernels->gemm(&g, b->scratch[0]);
        const double rate =
            2.0 * (double)m * (double)n * (double)k / (double)(rg_clock_ns() - start);
        best = rate > best ? rate : best;
    }
    measure_limits(b);
    print_row(b, name, best, "GFLOP/s", b->op_limit[RG_PEAK_F32] / b->threads);
    munmap(a, m * k * sizeof *a);
    munmap(w, n * k * sizeof *w);
    munmap(c, m * n * sizeof *c);
}

// y = x w^T, dx = dy w and dw = dy^T x of one matrix [out, in], on one thread
static void bench_training(bench *b, size_t n_tok, size_t in, size_t out) {
    bench_gemm(b, "forward", n_tok, out, in, false, true);
    bench_gemm(b, "dx", n_tok, in, out, false, false);
    bench_gemm(b, "dw", out, in, n_tok, true, false);
}

// ---- rows of the table ----

static void bench_level(bench *b) {
    static const rg_dtype hot[] = {RG_DTYPE_Q8_0, RG_DTYPE_Q4_0, RG_DTYPE_Q4_K, RG_DTYPE_Q5_K,
                                   RG_DTYPE_Q6_K, RG_DTYPE_BF16, RG_DTYPE_F16,  RG_DTYPE_F32};
    for (size_t i = 0; i < sizeof hot / sizeof *hot; i++) {
        bench_product(b, hot[i], false, 1024, 0, 1);
        bench_product(b, hot[i], false, 3072, 0, 1);
        bench_product(b, hot[i], false, 4096, 0, 1);
        bench_product(b, hot[i], false, 2048, 0, 4);
        bench_product(b, hot[i], false, 1024, 3072, 16);
        bench_product(b, hot[i], false, 1024, 3072, 512);
        bench_product(b, hot[i], false, 3072, 1024, 512);
        bench_product(b, hot[i], false, 2560, 9728, 512);
    }
    static const rg_dtype others[] = {RG_DTYPE_Q4_1,   RG_DTYPE_Q5_0,  RG_DTYPE_Q5_1,
                                      RG_DTYPE_Q2_K,   RG_DTYPE_Q3_K,  RG_DTYPE_IQ4_NL,
                                      RG_DTYPE_IQ4_XS, RG_DTYPE_MXFP4, RG_DTYPE_IQ2_XS};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        bench_product(b, others[i], false, 3072, 0, 1);
        bench_product(b, others[i], false, 3072, 1024, 512);
    }
    bench_product(b, RG_DTYPE_F32, true, 1024, 3072, 512);
    bench_product(b, RG_DTYPE_F32, true, 3072, 1024, 512);
    bench_product(b, RG_DTYPE_Q8_0, true, 1024, 3072, 512);
    bench_training(b, 4096, 256, 768);
    bench_training(b, 4096, 256, 128);
    bench_training(b, 4096, 256, 4096);
    bench_training(b, 256, 768, 2048);
    bench_attention(b, 512, 1);
    bench_attention(b, 4096, 1);
    bench_attention(b, 0, 512);
    bench_attention(b, 4096, 512);
}

static bool parse(settings *set, int argc, char **argv) {
    *set = (settings){.repeats = 7, .threads = {1, 2}, .n_threads = 2};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            set->is_json = true;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            set->only = argv[++i];
        } else if (strcmp(argv[i], "--repeats") == 0 && i + 1 < argc) {
            set->repeats = (int)strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
            set->n_threads = 0;
            for (char *p = argv[++i]; *p != '\0' && set->n_threads < 8; p += *p == ',') {
                const unsigned long n = strtoul(p, &p, 10);
                if (n < 1 || n > THREADS_MAX || (*p != ',' && *p != '\0')) {
                    return false;
                }
                set->threads[set->n_threads++] = (unsigned)n;
            }
        } else {
            return false;
        }
    }
    return set->repeats > 0 && set->n_threads > 0;
}

int main(int argc, char **argv) {
    settings set;
    rg_cpu cpu;
    rg_error err = {0};
    if (!parse(&set, argc, argv)) {
        fprintf(stderr,
                "usage: bench_kernels [--json] [--threads 1,2] [--only TEXT] [--repeats N]\n"
                "RAGA_CPU=scalar|avx2|avx512 chooses the kernels\n");
        return 2;
    }
    if (rg_cpu_choose(&cpu, &err) != RG_OK) {
        fprintf(stderr, "bench_kernels: %s\n", err.text);
        return 1;
    }
    rg_kernels kernels;
    rg_kernels_select(&kernels, cpu);
    bench b = {.set = &set, .kernels = &kernels, .is_first_row = true};
    b.weights = big_alloc(DECODE_BYTES + (1 << 20));
    for (size_t i = 0; i < DECODE_BYTES; i += 4) {
        const uint32_t bits = (uint32_t)(i * 2654435761u) & 0x3BFF3BFF; // finite as f16
        memcpy(b.weights + i, &bits, 4);
    }
    for (int i = 0; i < THREADS_MAX; i++) {
        b.scratch[i] = big_alloc(RG_SCRATCH_BYTES);
    }
    printf("%s", set.is_json ? "[" : "");
    for (size_t i = 0; i < set.n_threads; i++) {
        b.threads = set.threads[i];
        b.read_limit = 0;
        memset(b.op_limit, 0, sizeof b.op_limit);
        if (rg_pool_new(rg_mem_heap(), b.threads, &b.pool, &err) != RG_OK) {
            fprintf(stderr, "bench_kernels: %s\n", err.text);
            return 1;
        }
        bench_level(&b);
        rg_pool_free(b.pool);
    }
    printf("%s", set.is_json ? "\n]\n" : "");
    return 0;
}
