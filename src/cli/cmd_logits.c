#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/open_model.h"
#include "cli/output.h"
#include "cli/pictures.h"
#include "raga/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_row(void *arg, size_t pos, const float *logits, size_t n_vocab) {
    (void)pos;
    return fwrite(logits, sizeof *logits, n_vocab, arg) == n_vocab;
}

// the stretches between the cuts, one evaluation each
static raga_status evaluate(raga_session *s, const int32_t *ids, size_t n, const int32_t *cuts,
                            size_t n_cuts, FILE *out, raga_error *err) {
    raga_status status = RAGA_OK;
    size_t at = 0;
    for (size_t i = 0; i <= n_cuts && status == RAGA_OK; i++) {
        const size_t end = i < n_cuts ? (size_t)cuts[i] : n;
        if (end > at) {
            status = raga_session_eval(s, ids + at, end - at, write_row, out, err);
            at = end;
        }
    }
    return status;
}

static bool are_cuts_good(const int32_t *cuts, long n_cuts, long n) {
    for (long i = 0; i < n_cuts; i++) {
        if (cuts[i] <= (i == 0 ? 0 : cuts[i - 1]) || cuts[i] >= n) {
            cli_error("cut %d does not lie inside the %ld tokens, after the cut before it", cuts[i],
                      n);
            return false;
        }
    }
    return true;
}

/** What is to be evaluated. */
typedef struct prompt {
    const int32_t *ids;
    long n;
    const int32_t *cuts;
    long n_cuts;
    cli_pictures *pictures;
} prompt;

// with its pictures, where it has some
static raga_status evaluate_prompt(raga_session *s, const prompt *p, FILE *out, raga_error *err) {
    int32_t *ids = NULL;
    size_t n = 0;
    if (p->pictures->n == 0) {
        return evaluate(s, p->ids, (size_t)p->n, p->cuts, (size_t)p->n_cuts, out, err);
    }
    raga_status status = raga_session_continue(s, p->pictures->items, p->pictures->n, p->ids,
                                               (size_t)p->n, &ids, &n, err);
    if (status == RAGA_OK) {
        status = evaluate(s, ids, n, p->cuts, (size_t)p->n_cuts, out, err);
    }
    raga_free(ids);
    return status;
}

static int write_logits(raga_model *model, const prompt *p, const char *path) {
    char temp[4096];
    raga_error err = {0};
    raga_session *session = NULL;
    if (snprintf(temp, sizeof temp, "%s.%ld.part", path, (long)getpid()) >= (int)sizeof temp) {
        cli_error("the path %s is too long", path);
        return CLI_FAILED;
    }
    // what is renamed to the path would take the place of a device or pipe
    struct stat there;
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode)) {
        cli_error("cannot write %s: it is no regular file", path);
        return CLI_FAILED;
    }
    FILE *out = fopen(temp, "wbe");
    if (out == NULL) {
        cli_error("cannot write %s: %s", path, strerror(errno));
        return CLI_FAILED;
    }
    raga_status status = raga_session_new(model, &session, &err);
    if (status == RAGA_OK) {
        cli_interrupt_cancels(session);
        status = evaluate_prompt(session, p, out, &err);
    }
    cli_interrupt_cancels(NULL);
    raga_session_free(session);
    const bool is_written = fflush(out) == 0 && ferror(out) == 0 && fsync(fileno(out)) == 0;
    fclose(out);
    if (status == RAGA_OK && is_written && rename(temp, path) == 0) {
        return CLI_OK;
    }
    unlink(temp);
    if (status == RAGA_E_CANCELLED) {
        return CLI_INTERRUPTED;
    }
    if (status != RAGA_OK) {
        return cli_failed(&err);
    }
    cli_error("cannot write %s", path);
    return CLI_FAILED;
}

int cmd_logits(int argc, char **argv) {
    cli_model m = {0};
    cli_pictures pictures = {0};
    const char *ids_text = NULL;
    const char *cuts_text = "";
    const char *path = NULL;
    // clang-format off
    const cli_option options[] = {
        {"--ids", CLI_TEXT, &ids_text, "LIST", "token ids: 1,2,3 or @FILE", 0, 0, NULL},
        {"--cuts", CLI_TEXT, &cuts_text, "LIST", "positions at which the prompt is cut", 0, 0, NULL},
        {"--output,-o", CLI_TEXT, &path, "FILE", "float32, little-endian, [tokens, vocabulary]", 0, 0, NULL},
        {"--pixels", CLI_LIST, &pictures.pixels, "FILE", "a picture as patches, float32; may be repeated", 0, 0, NULL},
        {"--grid", CLI_LIST, &pictures.grids, "T,H,W", "its frames, rows and columns of patches", 0, 0, NULL},
        CLI_MODEL_OPTIONS(m),
    };
    // clang-format on
    const cli_spec spec = {.usage = "raga logits MODEL --ids LIST -o FILE",
                           .about = "Write the logits of every token of a prompt.",
                           .options = options,
                           .n_options = sizeof options / sizeof *options,
                           .words = &m.path,
                           .words_min = 1,
                           .words_max = 1};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (ids_text == NULL || path == NULL) {
        cli_error("--ids and -o are needed: raga logits %s --ids 1,2,3 -o logits.f32", m.path);
        return CLI_USAGE;
    }
    int32_t *ids = NULL;
    int32_t *cuts = NULL;
    const long n = cli_read_ids(ids_text, &ids);
    const long n_cuts = cli_read_ids(cuts_text, &cuts);
    status = CLI_USAGE;
    if (n == 0) {
        cli_error("the list of ids is empty");
    } else if (n > 0 && n_cuts >= 0 && are_cuts_good(cuts, n_cuts, n)) {
        // pictures may take more room than the ids that stand for them
        m.n_ctx = m.n_ctx == 0 && pictures.pixels.n == 0 ? n : m.n_ctx;
        const prompt p = {ids, n, cuts, n_cuts, &pictures};
        raga_model *model = cli_open_model(&m);
        status = model == NULL || !cli_pictures_open(&pictures, model)
                     ? CLI_FAILED
                     : write_logits(model, &p, path);
        cli_pictures_close(&pictures);
        raga_model_close(model);
    }
    free(ids);
    free(cuts);
    return status;
}
