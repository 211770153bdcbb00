#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/open_model.h"
#include "cli/output.h"
#include "raga/session.h"
#include "raga/system.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { REPEATS_MAX = 64, TOKENS_MAX = 1 << 20 };

typedef struct bench {
    cli_model m;
    int64_t n_prompt;
    int64_t n_decode;
    int64_t depth;
    int64_t n_repeats;
    bool is_json;
} bench;

typedef struct figures {
    double load_s;
    double prefill[REPEATS_MAX]; // tokens a second
    double decode[REPEATS_MAX];
    raga_limits limits;  // the best of those measured between the repeats
    uint64_t peak_bytes; // of memory, before the buffers of the limits
    size_t n;
} figures;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, size_t n) {
    double sorted[REPEATS_MAX];
    memcpy(sorted, values, n * sizeof *values);
    qsort(sorted, n, sizeof *sorted, by_value);
    return n == 0 ? 0 : (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

// tokens that look random and are the same every time
static void fill_ids(int32_t *ids, size_t n, uint32_t n_vocab) {
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        ids[i] = (int32_t)((state >> 8) % n_vocab);
    }
}

static void keep_best(raga_limits *best, const raga_limits *l) {
    best->read_gb_s = l->read_gb_s > best->read_gb_s ? l->read_gb_s : best->read_gb_s;
    best->int8_gop_s = l->int8_gop_s > best->int8_gop_s ? l->int8_gop_s : best->int8_gop_s;
    best->bf16_gop_s = l->bf16_gop_s > best->bf16_gop_s ? l->bf16_gop_s : best->bf16_gop_s;
    best->f32_gop_s = l->f32_gop_s > best->f32_gop_s ? l->f32_gop_s : best->f32_gop_s;
}

// one repeat: a prompt into an empty session, then tokens one by one behind `depth` of them
static raga_status measure(const bench *b, raga_session *s, const int32_t *ids, double *prefill,
                           double *decode, raga_error *err) {
    raga_session_truncate(s, 0);
    double begin = now_s();
    raga_status status = raga_session_eval(s, ids, (size_t)b->n_prompt, NULL, NULL, err);
    *prefill = (double)b->n_prompt / (now_s() - begin);
    if (status == RAGA_OK && b->depth > b->n_prompt) {
        status = raga_session_eval(s, ids, (size_t)(b->depth - b->n_prompt), NULL, NULL, err);
    } else if (b->depth < b->n_prompt) {
        raga_session_truncate(s, (size_t)b->depth);
    }
    begin = now_s();
    for (int64_t i = 0; i < b->n_decode && status == RAGA_OK; i++) {
        status = raga_session_eval(s, &ids[i % b->n_prompt], 1, NULL, NULL, err);
    }
    *decode = (double)b->n_decode / (now_s() - begin);
    return status;
}

static raga_status run(const bench *b, raga_model *model, const int32_t *ids, figures *f,
                       raga_error *err) {
    raga_session *s = NULL;
    double ignored;
    raga_status status = raga_session_new(model, &s, err);
    if (status == RAGA_OK) {
        cli_interrupt_cancels(s);
        status = measure(b, s, ids, &ignored, &ignored, err); // warms caches and plans
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    f->peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
    for (int64_t i = 0; i < b->n_repeats && status == RAGA_OK; i++) {
        raga_limits limits = {.size = sizeof limits};
        status = raga_system_measure(raga_model_threads(model), &limits, err);
        keep_best(&f->limits, &limits);
        if (status == RAGA_OK) {
            status = measure(b, s, ids, &f->prefill[f->n], &f->decode[f->n], err);
            f->n++;
        }
    }
    cli_interrupt_cancels(NULL);
    raga_session_free(s);
    return status;
}

// what the arithmetic allows: two operations a parameter and token, at the peak of the type's own
// products
static double prefill_limit(const raga_model_facts *facts, const raga_limits *l) {
    const bool is_float =
        strcmp(facts->file_type, "F32") == 0 || strcmp(facts->file_type, "F16") == 0;
    const double peak = is_float                                                     ? l->f32_gop_s
                        : strcmp(facts->file_type, "BF16") == 0 && l->bf16_gop_s > 0 ? l->bf16_gop_s
                        : l->int8_gop_s > 0                                          ? l->int8_gop_s
                                                                                     : l->f32_gop_s;
    return peak * 1e9 / (2 * (double)facts->used_params);
}

static void print(const bench *b, raga_model *model, const figures *f) {
    raga_model_facts facts = {.size = sizeof facts};
    raga_model_get_facts(model, &facts);
    const double prefill = median(f->prefill, f->n);
    const double decode = median(f->decode, f->n);
    // every weight is read once a token; the cache of `depth` tokens is not counted
    const double decode_limit = f->limits.read_gb_s * 1e9 / (double)facts.used_bytes;
    const double prefill_share = prefill / prefill_limit(&facts, &f->limits);
    const double decode_share = decode / decode_limit;
    if (b->is_json) {
        printf("{\"model\":");
        cli_json_text(stdout, facts.name, strlen(facts.name));
        printf(",\"type\":\"%s\",\"threads\":%u,\"n_ctx\":%zu,\"prompt_tokens\":%lld,\"decode_"
               "tokens\":%lld,"
               "\"depth\":%lld,\"repeats\":%zu,\"prefill_tok_s\":%.2f,\"decode_tok_s\":%.2f,\"load_"
               "s\":%.4f,"
               "\"peak_rss_bytes\":%llu,\"prefill_share_of_limit\":%.4f,\"decode_share_of_limit\":%"
               ".4f,"
               "\"limits\":{\"read_gb_s\":%.1f,\"int8_gop_s\":%.1f,\"bf16_gop_s\":%.1f,\"f32_gop_"
               "s\":%.1f}}\n",
               facts.file_type, raga_model_threads(model), raga_model_ctx(model),
               (long long)b->n_prompt, (long long)b->n_decode, (long long)b->depth, f->n, prefill,
               decode, f->load_s, (unsigned long long)f->peak_bytes, prefill_share, decode_share,
               f->limits.read_gb_s, f->limits.int8_gop_s, f->limits.bf16_gop_s,
               f->limits.f32_gop_s);
        return;
    }
    printf("%s, %s, %u threads, medians of %zu\n", facts.name, facts.file_type,
           raga_model_threads(model), f->n);
    printf("prefill %5lld  %8.2f tokens/s  %5.1f %% of the arithmetic limit\n",
           (long long)b->n_prompt, prefill, 100 * prefill_share);
    printf("decode  %5lld  %8.2f tokens/s  %5.1f %% of the memory limit (behind %lld tokens)\n",
           (long long)b->n_decode, decode, 100 * decode_share, (long long)b->depth);
    printf("load %.3f s, peak memory %s\n", f->load_s, cli_bytes(f->peak_bytes));
}

int cmd_bench(int argc, char **argv) {
    bench b = {.n_prompt = 512, .n_decode = 128, .depth = -1, .n_repeats = 3};
    // clang-format off
    const cli_option options[] = {
        {"--prompt,-p", CLI_INT, &b.n_prompt, "N", "tokens of the prompt (512)", 1, TOKENS_MAX, NULL},
        {"--tokens,-n", CLI_INT, &b.n_decode, "N", "tokens to decode (128)", 1, TOKENS_MAX, NULL},
        {"--depth", CLI_INT, &b.depth, "N", "tokens in front while decoding (the prompt)", 0, TOKENS_MAX, NULL},
        {"--repeat,-r", CLI_INT, &b.n_repeats, "N", "repeats, after one to warm up (3)", 1, REPEATS_MAX, NULL},
        {"--json", CLI_FLAG, &b.is_json, NULL, "print JSON", 0, 0, NULL},
        CLI_MODEL_OPTIONS(b.m),
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga bench MODEL [-p 512] [-n 128] [--depth N]",
        .about = "Measure prefill and decode, as tokens a second and as shares of what the machine "
                 "can do at most.",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = &b.m.path,
        .words_min = 1,
        .words_max = 1};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    b.depth = b.depth < 0 ? b.n_prompt : b.depth;
    const int64_t most = b.depth > b.n_prompt ? b.depth : b.n_prompt;
    b.m.n_ctx = b.m.n_ctx == 0 ? most + b.n_decode : b.m.n_ctx;
    raga_error err = {0};
    figures f = {0};
    const double begin = now_s();
    raga_model *model = cli_open_model(&b.m);
    if (model == NULL) {
        return CLI_FAILED;
    }
    f.load_s = now_s() - begin;
    raga_model_facts facts = {.size = sizeof facts};
    raga_model_get_facts(model, &facts);
    static int32_t ids[TOKENS_MAX];
    fill_ids(ids, (size_t)most, facts.n_vocab);
    const raga_status done = run(&b, model, ids, &f, &err);
    status = done == RAGA_OK            ? CLI_OK
             : done == RAGA_E_CANCELLED ? CLI_INTERRUPTED
                                        : cli_failed(&err);
    if (status == CLI_OK) {
        print(&b, model, &f);
    }
    raga_model_close(model);
    return status;
}
