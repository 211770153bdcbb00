#include "cli/verify_numbers.h"

#include "cli/output.h"
#include "raga/picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TOKENS = 24, // that the paths are compared on
    CONTEXT = 512,
    REFERENCE_TOKENS_MAX = 4096,
    REFERENCE_PICTURES_MAX = 16,
    REFERENCE_SIDE_MAX = 1024, // patches of a picture
};

static const uint64_t LARGEST = (uint64_t)8 << 30; // bytes of weights that are computed with here
static const double FAR = 2e-3;                    // of the largest logit, between two paths

/** What is evaluated: tokens, of which some may stand for pictures. */
typedef struct prompt {
    int32_t ids[REFERENCE_TOKENS_MAX];
    size_t n;
    uint32_t grids[REFERENCE_PICTURES_MAX][3];
    size_t n_pictures;
    char *pixels; // patches of all pictures, f32
    size_t pixels_size;
} prompt;

/** Logits of all tokens, of one path. */
typedef struct numbers {
    char *bytes;
    size_t size;
} numbers;

static bool keep(void *arg, size_t pos, const float *logits, size_t n_vocab) {
    (void)pos;
    return fwrite(logits, sizeof *logits, n_vocab, arg) == n_vocab;
}

static const float *floats(const numbers *n) {
    return (const float *)(const void *)n->bytes;
}

static size_t patches_of(const uint32_t grid[3]) {
    return (size_t)grid[0] * grid[1] * grid[2];
}

static raga_status read_prompt(raga_model *model, raga_session *session, const prompt *p,
                               FILE *rows, raga_error *err) {
    raga_picture *pictures[REFERENCE_PICTURES_MAX] = {NULL};
    const float *pixels = (const float *)(const void *)p->pixels;
    int32_t *ids = NULL;
    size_t n = 0, n_patches = 0;
    raga_status status = RAGA_OK;
    for (size_t i = 0; i < p->n_pictures; i++) {
        n_patches += patches_of(p->grids[i]);
    }
    for (size_t i = 0; i < p->n_pictures && status == RAGA_OK; i++) {
        const size_t n_values =
            p->pixels_size / sizeof *pixels / n_patches * patches_of(p->grids[i]);
        status = raga_picture_of_patches(model, pixels, n_values, p->grids[i], &pictures[i], err);
        pixels += n_values;
    }
    if (status == RAGA_OK) {
        status =
            raga_session_continue(session, pictures, p->n_pictures, p->ids, p->n, &ids, &n, err);
    }
    if (status == RAGA_OK) {
        status = raga_session_eval(session, ids, n, keep, rows, err);
    }
    raga_free(ids);
    for (size_t i = 0; i < p->n_pictures; i++) {
        raga_picture_free(pictures[i]);
    }
    return status;
}

// evaluate on one path; RAGA_CPU chooses it as the model is opened
static raga_status evaluate(const char *path, const char *cpu, unsigned n_threads, const prompt *p,
                            numbers *out, raga_error *err) {
    raga_model *model = NULL;
    raga_session *session = NULL;
    const raga_model_options o = {.size = sizeof o,
                                  .path = path,
                                  .n_threads = n_threads,
                                  .n_ctx = p->n > CONTEXT ? p->n : CONTEXT,
                                  .is_exact = true};
    FILE *rows = open_memstream(&out->bytes, &out->size);
    if (rows == NULL) {
        return RAGA_E_MEMORY;
    }
    setenv("RAGA_CPU", cpu, 1);
    raga_status status = raga_model_open(&o, &model, err);
    if (status == RAGA_OK) {
        status = raga_session_new(model, &session, err);
    }
    if (status == RAGA_OK) {
        status = read_prompt(model, session, p, rows, err);
    }
    raga_session_free(session);
    raga_model_close(model);
    const bool is_whole = fclose(rows) == 0;
    return status == RAGA_OK && !is_whole ? RAGA_E_MEMORY : status;
}

// the largest difference; INFINITY where a number is none
static double distance(const float *a, const float *b, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - b[i]);
        most = d <= most ? most : d > most ? d : INFINITY;
    }
    return most;
}

static double largest(const float *x, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)x[i]));
    }
    return most;
}

static void compare_paths(const char *path, unsigned n_threads, size_t n_vocab,
                          verify_tell_fn *tell, void *arg) {
    static const char *const levels[] = {"avx2", "avx512"};
    static prompt p = {.n = TOKENS};
    char detail[512];
    raga_error err = {0};
    numbers plain = {0};
    for (size_t i = 0; i < TOKENS; i++) {
        p.ids[i] = (int32_t)((i * 7919 + 11) % n_vocab);
    }
    if (evaluate(path, "scalar", n_threads, &p, &plain, &err) != RAGA_OK) {
        tell(arg, VERIFY_FAILED, "numbers", err.text);
        goto done;
    }
    const size_t n = plain.size / sizeof(float);
    const double size = largest(floats(&plain), n);
    if (!(distance(floats(&plain), floats(&plain), n) <= 0)) {
        tell(arg, VERIFY_FAILED, "numbers", "logits are not finite");
        goto done;
    }
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        char check[32];
        numbers other = {0};
        snprintf(check, sizeof check, "numbers on %s", levels[i]);
        if (evaluate(path, levels[i], n_threads, &p, &other, &err) != RAGA_OK) {
            tell(arg, VERIFY_SKIPPED, check, err.text);
            free(other.bytes);
            continue;
        }
        const double off =
            other.size == plain.size ? distance(floats(&plain), floats(&other), n) : INFINITY;
        free(other.bytes);
        snprintf(detail, sizeof detail,
                 "%d tokens: at most %.2g from the plain path, the largest logit being %.3g",
                 TOKENS, off, size);
        tell(arg, off <= FAR * size ? VERIFY_OK : VERIFY_FAILED, check, detail);
    }

done:
    free(plain.bytes);
}

// a number behind a key of golden.json, which raga writes nowhere and reads here alone
static const char *behind(const char *json, const char *key) {
    const char *at = strstr(json, key);
    return at == NULL ? NULL : at + strlen(key);
}

// frames, rows and columns of the pictures; 0: there are none, or what is there makes no sense
static size_t read_grids(const char *json, uint32_t grids[REFERENCE_PICTURES_MAX][3]) {
    const char *at = behind(json, "\"grid_thw\": [");
    size_t n = 0; // numbers
    while (at != NULL && n < (size_t)3 * REFERENCE_PICTURES_MAX) {
        char *end = NULL;
        at += strspn(at, "[, \n");
        const unsigned long number = strtoul(at, &end, 10);
        if (end == at || number == 0 || number > REFERENCE_SIDE_MAX) {
            return 0;
        }
        grids[n / 3][n % 3] = (uint32_t)number;
        n++;
        at = end + strspn(end, " \n");
        const char *after = *at == ']' ? at + 1 + strspn(at + 1, " \n") : at;
        at += *at == ']';
        if (*after == ']') {
            return n % 3 == 0 ? n / 3 : 0;
        }
    }
    return 0;
}

static size_t read_tokens(const char *json, int32_t *ids) {
    const char *at = behind(json, "\"tokens\": [");
    size_t n = 0;
    while (at != NULL && *at != ']' && n < REFERENCE_TOKENS_MAX) {
        char *end = NULL;
        ids[n++] = (int32_t)strtol(at, &end, 10);
        if (end == at) {
            return 0;
        }
        at = end + strspn(end, ", \n");
    }
    return n;
}

static void compare_reference(const char *path, unsigned n_threads, size_t n_vocab,
                              verify_tell_fn *tell, void *arg) {
    char name[4096];
    char detail[512];
    static prompt p;
    raga_error err = {0};
    size_t size = 0, json_size = 0;
    numbers got = {0};
    char *json = NULL;
    char *want = NULL;
    snprintf(name, sizeof name, "%s/golden.json", path);
    FILE *there = fopen(name, "rbe");
    if (there == NULL) {
        return;
    }
    fclose(there);
    json = cli_read_all(name, &json_size);
    snprintf(name, sizeof name, "%s/logits.f32", path);
    want = json == NULL ? NULL : cli_read_all(name, &size);
    const char *limit = json == NULL ? NULL : behind(json, "\"tolerance_max_abs\": ");
    const size_t n = json == NULL ? 0 : read_tokens(json, p.ids);
    p.n = n;
    p.n_pictures = json == NULL ? 0 : read_grids(json, p.grids);
    if (p.n_pictures != 0) {
        snprintf(name, sizeof name, "%s/pixel_values.f32", path);
        p.pixels = cli_read_all(name, &p.pixels_size);
    }
    const size_t rows = size / sizeof(float) / n_vocab; // the last ones, where not all are kept
    if (want == NULL || limit == NULL || (p.n_pictures != 0 && p.pixels == NULL) || n == 0 ||
        rows == 0 || rows > n) {
        tell(arg, VERIFY_SKIPPED, "reference logits", "golden.json and logits.f32 do not fit");
    } else if (evaluate(path, "auto", n_threads, &p, &got, &err) != RAGA_OK) {
        tell(arg, VERIFY_FAILED, "reference logits", err.text);
    } else {
        const double most = strtod(limit, NULL);
        const double off = distance(floats(&got) + (n - rows) * n_vocab,
                                    (const float *)(const void *)want, rows * n_vocab);
        snprintf(detail, sizeof detail, "%zu tokens: at most %.2g away, allowed %.2g", rows, off,
                 most);
        tell(arg, off <= most ? VERIFY_OK : VERIFY_FAILED, "reference logits", detail);
    }
    free(got.bytes);
    free(p.pixels);
    free(json);
    free(want);
}

void verify_numbers(const char *path, const raga_model *model, unsigned n_threads,
                    verify_tell_fn *tell, void *arg) {
    raga_model_facts facts = {.size = sizeof facts};
    const char *wish = getenv("RAGA_CPU");
    char before[16] = ""; // a longer one names no path
    raga_model_get_facts(model, &facts);
    snprintf(before, sizeof before, "%s", wish == NULL ? "" : wish);
    if (facts.file_bytes > LARGEST) {
        char detail[128];
        snprintf(detail, sizeof detail, "%s of weights take more than a minute on the plain path",
                 cli_bytes(facts.file_bytes));
        tell(arg, VERIFY_SKIPPED, "numbers", detail);
    } else {
        compare_paths(path, n_threads, facts.n_vocab, tell, arg);
        compare_reference(path, n_threads, facts.n_vocab, tell, arg);
    }
    setenv("RAGA_CPU", before, 1);
}
