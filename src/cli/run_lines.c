#include "cli/run_lines.h"

#include "cli/interrupt.h"
#include "cli/lines.h"
#include "cli/options.h"
#include "cli/output.h"
#include "raga/calls.h"
#include "raga/robot.h"

#include <time.h>
#include <unistd.h>

typedef struct work {
    raga_responder *responder;
    size_t n_lines;
    struct timespec begin;
    bool is_shown; // somebody watches, and the answers go elsewhere
} work;

static void show(const work *w) {
    struct timespec now;
    if (w->is_shown) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        const double seconds = (double)(now.tv_sec - w->begin.tv_sec) +
                               (double)(now.tv_nsec - w->begin.tv_nsec) * 1e-9;
        fprintf(stderr, "\r%zu lines, %.1f s", w->n_lines, seconds);
    }
}

static raga_status answer_line(void *arg, const char *line, size_t size, char **out,
                               size_t *out_size, raga_error *err) {
    work *w = arg;
    cli_interrupt_cancels(raga_responder_session(w->responder));
    const raga_status status = raga_respond_json_line(w->responder, line, size, out, out_size, err);
    cli_interrupt_cancels(NULL);
    w->n_lines++;
    show(w);
    return status;
}

int cli_run_lines(raga_model *model, size_t max_tokens, bool is_unheld, bool has_skills) {
    raga_error err = {0};
    char *skills = NULL;
    size_t size = 0;
    work w = {.is_shown = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO)};
    if (has_skills && raga_robot_tools(&skills, &size, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    const raga_responder_options options = {.size = sizeof options,
                                            .max_tokens = max_tokens,
                                            .is_unheld = is_unheld,
                                            .default_tools = skills};
    const raga_status status = raga_responder_new(model, &options, &w.responder, &err);
    raga_free(skills);
    if (status != RAGA_OK) {
        return cli_failed(&err);
    }
    clock_gettime(CLOCK_MONOTONIC, &w.begin);
    const int exit_status = cli_each_line(answer_line, &w);
    if (w.is_shown) {
        fprintf(stderr, "\r\033[K");
    }
    raga_responder_free(w.responder);
    return exit_status;
}
