/*
 * Whole training steps (forward, backward, AdamW) of two shapes on random tokens:
 *
 *   nano  Qwen3, d 256, 8 layers, 4 heads of 64, 2 key-value heads, ffn 768, vocabulary 4096, tied;
 *         16 sequences of 256 tokens
 *   gpt2  the sizes of GPT-2 124M: 12 layers, d 768, 12 heads, vocabulary 50257, tied; 4 x 64. Its
 *         feed-forward is gated with 2048 values: as many parameters as the plain 3072
 *
 * usage: bench_train [nano|gpt2] [--threads N] [--steps N] [--bf16] [--muon] [--recompute]
 *                    [--lora RANK]
 */
#include "base/clock.h"
#include "base/cpu.h"
#include "base/rng.h"
#include "model/create.h"
#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct shape {
    const char *name;
    rg_model_plan plan;
    size_t n_rows;
    size_t seq_len;
} shape;

static const shape shapes[] = {
    {"nano",
     {.family = "qwen3",
      .n_layer = 8,
      .n_embd = 256,
      .n_head = 4,
      .n_kv_head = 2,
      .head_dim = 64,
      .n_ff = 768,
      .n_vocab = 4096,
      .n_ctx = 256,
      .is_tied = true,
      .bos = -1,
      .eos = -1},
     16,
     256},
    {"gpt2",
     {.family = "llama",
      .n_layer = 12,
      .n_embd = 768,
      .n_head = 12,
      .n_kv_head = 12,
      .head_dim = 64,
      .n_ff = 2048,
      .n_vocab = 50257,
      .n_ctx = 1024,
      .is_tied = true,
      .bos = -1,
      .eos = -1},
     4,
     64},
};

static void die(const rg_error *err) {
    fprintf(stderr, "bench_train: %s\n", err->text);
    exit(1);
}

static void *need(void *p) {
    if (p == NULL) {
        fprintf(stderr, "bench_train: no memory\n");
        exit(1);
    }
    return p;
}

static double peak_mib(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)use.ru_maxrss / 1024;
}

static void run(const shape *s, rg_trainer *t, bool is_bf16, bool is_muon, int n_steps,
                size_t n_values, double start_mib) {
    rg_error err = {0};
    const rg_optimizer how = {.kind = is_muon ? RG_OPTIMIZER_MUON : RG_OPTIMIZER_ADAMW,
                              .beta1 = 0.9f,
                              .beta2 = 0.95f,
                              .eps = 1e-8f,
                              .weight_decay = 0.1f,
                              .momentum = 0.95f,
                              .max_grad_norm = 1};
    const size_t n = s->n_rows * s->seq_len;
    int32_t *ids = need(calloc(n + 1, sizeof *ids));
    rg_rng rng;
    rg_rng_init(&rng, 1);
    for (size_t i = 0; i <= n; i++) {
        ids[i] = (int32_t)(rg_rng_next(&rng) % s->plan.n_vocab);
    }
    const rg_pass pass = {.ids = ids, .targets = ids + 1};
    double best = 1e30;
    double total = 0;
    rg_step step = {0};
    for (int i = 0; i < n_steps; i++) {
        const uint64_t begin = rg_clock_ns();
        if (rg_trainer_gradients(t, &pass, 1, &step, &err) != RG_OK ||
            rg_trainer_update(t, &how, 1e-3, &step, &err) != RG_OK) {
            die(&err);
        }
        const double s_step = (double)(rg_clock_ns() - begin) * 1e-9;
        best = s_step < best ? s_step : best;
        total += i > 0 ? s_step : 0; // the first step touches its pages
    }
    printf("{\"shape\":\"%s\",\"compute\":\"%s\",\"optimizer\":\"%s\",\"threads\":%u,\"trained_"
           "values\":%zu,\"tokens\":%"
           "zu,\"steps\":%d,"
           "\"best_tok_s\":%.1f,\"mean_tok_s\":%.1f,\"best_step_ms\":%.1f,\"loss\":%.4f,"
           "\"peak_mib\":%.0f,\"start_mib\":%.0f}\n",
           s->name, is_bf16 ? "bf16" : "f32", is_muon ? "muon" : "adamw", rg_trainer_threads(t),
           n_values, n, n_steps, (double)n / best,
           n_steps > 1 ? (double)n * (n_steps - 1) / total : 0, best * 1e3, step.loss, peak_mib(),
           start_mib);
    free(ids);
}

int main(int argc, char **argv) {
    const shape *s = &shapes[0];
    rg_trainer_options options = {.cpu = rg_cpu_detect()};
    int n_steps = 8;
    uint32_t rank = 0;
    bool is_muon = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "gpt2") == 0) {
            s = &shapes[1];
        } else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
            options.n_threads = (unsigned)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--steps") == 0 && i + 1 < argc) {
            n_steps = (int)strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--lora") == 0 && i + 1 < argc) {
            rank = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--recompute") == 0) {
            options.recompute = true;
        } else if (strcmp(argv[i], "--muon") == 0) {
            is_muon = true;
        } else if (strcmp(argv[i], "--bf16") == 0) {
            options.is_bf16 = true;
        } else if (strcmp(argv[i], "nano") != 0) {
            fprintf(stderr, "usage: bench_train [nano|gpt2] [--threads N] [--steps N] "
                            "[--bf16] [--muon] [--recompute] [--lora RANK]\n");
            return 2;
        }
    }
    options.n_rows = s->n_rows;
    options.seq_len = s->seq_len;
    const double start_mib = peak_mib();
    char dir[] = "/tmp/raga-bench-XXXXXX";
    char command[128];
    rg_error err = {0};
    rg_source *source = NULL;
    rg_model *model = NULL;
    rg_trainer *t = NULL;
    rg_params params = {0};
    rg_lora *loras = NULL;
    size_t n_loras = 0;
    const rg_mem *mem = rg_mem_heap();
    need(mkdtemp(dir));
    const rg_lora_options lora = {.rank = rank, .alpha = 16, .targets = "all-linear"};
    if (rg_model_create(mem, &s->plan, dir, &err) != RG_OK ||
        rg_source_open(mem, dir, &source, &err) != RG_OK ||
        rg_model_load(mem, source, &model, &err) != RG_OK ||
        (rank == 0
             ? rg_params_of_model(mem, model, &params, &err)
             : rg_params_new_lora(mem, model, &lora, &params, &loras, &n_loras, &err)) != RG_OK ||
        rg_trainer_new(mem, model, &options, &params, loras, n_loras, &t, &err) != RG_OK) {
        die(&err);
    }
    run(s, t, options.is_bf16, is_muon, n_steps, rg_trainer_params(t)->n_values, start_mib);
    rg_trainer_free(t);
    rg_model_free(model);
    rg_source_close(source);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command) == 0 ? 0 : 1;
}
