#include "lab/limits.h"

#include "base/clock.h"
#include "base/pool.h"
#include "kernel/peak.h"

#include <string.h>

enum {
    READ_BYTES = 256 << 20, // far beyond any cache of the machines we run on
    PASSES = 10,
    ROUNDS = 400000,
};

typedef struct job {
    rg_cpu cpu;
    rg_peak kind;
    const char *data; // reads: all of it, shared out
    size_t share_bytes;
    double ops[64]; // by chunk
    uint64_t sink;
} job;

static void run_peak(void *arg, size_t chunk, unsigned thread) {
    (void)thread;
    job *j = arg;
    j->ops[chunk % 64] = rg_peak_run(j->cpu, j->kind, ROUNDS);
}

static void run_read(void *arg, size_t chunk, unsigned thread) {
    (void)thread;
    job *j = arg;
    j->ops[chunk % 64] =
        (double)rg_peak_read(j->cpu, j->data + chunk * j->share_bytes, j->share_bytes);
}

// the best rate over the passes, in 1e9 a second
static double best_rate(rg_pool *pool, job *j, rg_pool_fn *fn, size_t n_chunks, double work) {
    double best = 0;
    for (int i = 0; i < PASSES; i++) {
        const uint64_t begin = rg_clock_ns();
        rg_pool_run(pool, n_chunks, fn, j);
        const double seconds = (double)(rg_clock_ns() - begin) * 1e-9;
        const double done = work != 0 ? work : j->ops[0] * (double)n_chunks;
        best = done / seconds > best ? done / seconds : best;
    }
    return best * 1e-9;
}

rg_status rg_limits_measure(const rg_mem *mem, rg_cpu cpu, unsigned n_threads, rg_limits *out,
                            rg_error *err) {
    rg_status status = RG_OK;
    rg_pool *pool = NULL;
    job j = {.cpu = cpu, .share_bytes = READ_BYTES / n_threads / 4096 * 4096};
    char *data = rg_alloc(mem, READ_BYTES);
    if (data == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a read test of %d bytes", READ_BYTES);
    }
    memset(data, 1, READ_BYTES);
    j.data = data;
    RG_TRY(rg_pool_new(mem, n_threads, &pool, err));
    *out = (rg_limits){0};
    out->read_gb_s =
        best_rate(pool, &j, run_read, n_threads, (double)j.share_bytes * (double)n_threads);
    const struct {
        rg_peak kind;
        double *rate;
    } runs[] = {{RG_PEAK_F32, &out->f32_gop_s},
                {RG_PEAK_BF16, &out->bf16_gop_s},
                {RG_PEAK_INT8, &out->int8_gop_s}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        j.kind = runs[i].kind;
        *runs[i].rate = best_rate(pool, &j, run_peak, n_threads, 0);
    }

done:
    rg_pool_free(pool);
    rg_free(mem, data);
    return status;
}
