#include "cli/train_progress.h"

#include "cli/interrupt.h"
#include "cli/output.h"

#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    WIDTH = 24,
    WARNINGS = 5,    // bad lines that are shown one by one
    LINE_EVERY = 50, // steps between two lines where there is no terminal
};

static uint64_t memory_bytes(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (uint64_t)use.ru_maxrss * 1024;
}

void cli_train_begin(cli_train_progress *p, bool is_json, bool resumes, cli_record *record) {
    *p = (cli_train_progress){.is_json = is_json,
                              .is_terminal = isatty(STDERR_FILENO) != 0,
                              .resumes = resumes,
                              .record = record};
    cli_interrupt_flag(true);
}

static void clear_line(const cli_train_progress *p) {
    if (p->is_terminal) {
        fprintf(stderr, "\r\033[K");
    }
}

static void show_step(cli_train_progress *p, const raga_train_event *e) {
    const double rate = e->seconds > 0 ? (double)e->n_tokens / e->seconds : 0;
    p->loss = e->loss;
    p->smooth_loss = p->n_shown == 0 ? e->loss : p->smooth_loss + (e->loss - p->smooth_loss) / 20;
    p->smooth_rate = p->n_shown == 0 ? rate : p->smooth_rate + (rate - p->smooth_rate) / 10;
    p->n_shown++;
    const raga_run_step step = {e->step, e->loss, e->lr, e->grad_norm, rate, memory_bytes()};
    cli_record_step(p->record, &step);
    const double left = p->smooth_rate > 0
                            ? (double)(e->n_steps - e->step) * (double)e->n_tokens / p->smooth_rate
                            : 0;
    if (p->is_json) {
        printf("{\"step\":%llu,\"loss\":%.6g,\"lr\":%.6g,\"grad_norm\":%.6g,\"tok_s\":%.1f}\n",
               (unsigned long long)e->step, e->loss, e->lr, e->grad_norm, rate);
        fflush(stdout);
        return;
    }
    const int done = (int)((double)e->step / (double)e->n_steps * WIDTH);
    if (!p->is_terminal && e->step % LINE_EVERY != 0 && p->n_shown != 1 && e->step != e->n_steps) {
        return;
    }
    fprintf(stderr,
            "%s[%.*s%*s] %llu/%llu  loss %.4f  lr %.2g  %.0f tok/s  %s  %d:%02d:%02d left%s",
            p->is_terminal ? "\r" : "", done, "########################", WIDTH - done, "",
            (unsigned long long)e->step, (unsigned long long)e->n_steps, p->smooth_loss, e->lr,
            p->smooth_rate, cli_bytes(memory_bytes()), (int)(left / 3600), (int)(left / 60) % 60,
            (int)left % 60, p->is_terminal ? "\033[K" : "\n");
}

static void begin_run(cli_train_progress *p, const raga_train_event *e) {
    snprintf(p->record->data_hash, sizeof p->record->data_hash, "%016llx",
             (unsigned long long)e->data_hash);
    p->record->start.data_hash = p->record->data_hash;
    p->record->start.has_seed = true;
    p->record->start.seed = e->seed;
    cli_record_begin(p->record, p->resumes, e->step);
}

bool cli_train_tell(void *arg, const raga_train_event *e) {
    cli_train_progress *p = arg;
    const raga_run_evaluation valid = {.has_step = true,
                                       .step = e->step,
                                       .name = "validation",
                                       .metric = "loss",
                                       .value = e->loss,
                                       .std_error = NAN,
                                       .n = e->n_tokens};
    switch (e->kind) {
    case RAGA_TRAIN_BEGIN:
        begin_run(p, e);
        break;
    case RAGA_TRAIN_STEP:
        show_step(p, e);
        break;
    case RAGA_TRAIN_VALID:
        p->first_valid = p->first_valid == 0 ? e->loss : p->first_valid;
        p->last_valid = e->loss;
        cli_record_evaluation(p->record, &valid);
        if (p->is_json) {
            printf("{\"step\":%llu,\"valid_loss\":%.6g}\n", (unsigned long long)e->step, e->loss);
        } else {
            clear_line(p);
            fprintf(stderr, "step %llu: validation loss %.4f%s\n", (unsigned long long)e->step,
                    e->loss, e->is_best ? ", the best so far" : "");
        }
        break;
    case RAGA_TRAIN_CHECKPOINT:
        break;
    }
    return !cli_interrupt_flag(false);
}

void cli_train_warn(void *arg, const char *file, size_t line, const char *why) {
    cli_train_progress *p = arg;
    if (p->n_warned++ < WARNINGS) {
        clear_line(p);
        fprintf(stderr, "raga: %s:%zu is left out: %s\n", file, line, why);
    } else if (p->n_warned == WARNINGS + 1) {
        fprintf(stderr, "raga: more lines are left out; they are counted at the end\n");
    }
}

void cli_train_end(cli_train_progress *p, const raga_train_result *r, const char *out_dir) {
    static const char *const words[] = {"done", "stopped", "stopped early"};
    cli_record_end(p->record, r->end == RAGA_TRAIN_STOPPED ? "stopped" : "done",
                   r->end == RAGA_TRAIN_EARLY ? "validation got no better" : NULL);
    clear_line(p);
    if (p->is_json) {
        printf("{\"end\":\"%s\",\"loss\":%.6g,\"tokens\":%llu,\"lines\":%llu,\"bad_lines\":%llu,"
               "\"cut\":%llu,\"epochs\":%llu,\"data_hash\":\"%016llx\",\"out\":",
               words[r->end], p->loss, (unsigned long long)r->n_tokens,
               (unsigned long long)r->n_lines, (unsigned long long)r->n_bad,
               (unsigned long long)r->n_cut, (unsigned long long)r->epochs,
               (unsigned long long)r->data_hash);
        cli_json_text(stdout, out_dir, strlen(out_dir));
        if (p->record->run != 0) {
            printf(",\"run\":%lld", (long long)p->record->run);
        }
        printf("}\n");
        return;
    }
    printf("%s: loss %.4f, %llu tokens of %llu lines", words[r->end], p->smooth_loss,
           (unsigned long long)r->n_tokens, (unsigned long long)r->n_lines);
    if (r->n_bad > 0) {
        printf(", %llu left out", (unsigned long long)r->n_bad);
    }
    if (r->n_cut > 0) {
        printf(", %llu cut to the row", (unsigned long long)r->n_cut);
    }
    printf("\n%s\n", out_dir);
    if (r->end == RAGA_TRAIN_STOPPED) {
        printf("the run goes on from its checkpoint with --resume\n");
    }
    if (p->record->run != 0) {
        printf("raga runs show %lld\n", (long long)p->record->run);
    }
}

int cli_train_failed(cli_train_progress *p, const raga_error *err) {
    cli_record_end(p->record, "failed", err->text);
    clear_line(p);
    return cli_failed(err);
}
