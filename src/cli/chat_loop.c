#include "cli/chat_loop.h"

#include "cli/chat_turns.h"
#include "cli/options.h"
#include "cli/output.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef RAGA_WITH_EDIT
#include <histedit.h>
#endif

enum { HISTORY_LINES = 1000 };

typedef struct loop {
    cli_chat *chat;
#ifdef RAGA_WITH_EDIT
    EditLine *edit;
    History *history;
    char history_path[4096];
#endif
    char *system_text; // set by /system
    bool is_continued; // the prompt of a line that goes on
    bool is_over;
} loop;

static raga_session *answering;
static volatile sig_atomic_t n_interrupts;

static void on_interrupt(int signo) {
    (void)signo;
    n_interrupts++;
    if (answering != NULL) {
        raga_session_cancel(answering);
    }
}

// ---- reading lines ----

#ifdef RAGA_WITH_EDIT

static char *edit_prompt(EditLine *edit) {
    loop *l = NULL;
    el_get(edit, EL_CLIENTDATA, &l);
    return l->is_continued ? ". " : "> ";
}

static void open_history(loop *l) {
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    char folder[4000];
    HistEvent event;
    if (state != NULL && state[0] != '\0') {
        snprintf(folder, sizeof folder, "%s", state);
    } else if (home != NULL) {
        snprintf(folder, sizeof folder, "%s/.local/state", home);
    } else {
        return;
    }
    snprintf(l->history_path, sizeof l->history_path, "%s/raga", folder);
    // each part of the path that is missing
    for (char *p = l->history_path + 1; *p != '\0'; p++) {
        if (*p == '/') {
            *p = '\0';
            (void)mkdir(l->history_path, 0700);
            *p = '/';
        }
    }
    (void)mkdir(l->history_path, 0700);
    strncat(l->history_path, "/history", sizeof l->history_path - strlen(l->history_path) - 1);
    history(l->history, &event, H_LOAD, l->history_path);
}

static void open_lines(loop *l) {
    HistEvent event;
    l->edit = el_init("raga", stdin, stdout, stderr);
    l->history = history_init();
    history(l->history, &event, H_SETSIZE, HISTORY_LINES);
    history(l->history, &event, H_SETUNIQUE, 1);
    open_history(l);
    el_set(l->edit, EL_CLIENTDATA, l);
    el_set(l->edit, EL_PROMPT, edit_prompt);
    el_set(l->edit, EL_EDITOR, "emacs");
    el_set(l->edit, EL_HIST, history, l->history);
    el_set(l->edit, EL_SIGNAL, 0);
}

static void close_lines(loop *l) {
    HistEvent event;
    if (l->history_path[0] != '\0') {
        history(l->history, &event, H_SAVE, l->history_path);
    }
    history_end(l->history);
    el_end(l->edit);
}

static const char *next_line(loop *l, size_t *size) {
    int n = 0;
    HistEvent event;
    const char *line = el_gets(l->edit, &n);
    if (line != NULL && n > 1) {
        history(l->history, &event, H_ENTER, line);
    }
    *size = n > 0 ? (size_t)n : 0;
    return n > 0 ? line : NULL;
}

#else

static void open_lines(loop *l) {
    (void)l;
}

static void close_lines(loop *l) {
    (void)l;
}

static const char *next_line(loop *l, size_t *size) {
    static char *line;
    static size_t capacity;
    printf(l->is_continued ? ". " : "> ");
    fflush(stdout);
    const ssize_t n = getline(&line, &capacity, stdin);
    *size = n > 0 ? (size_t)n : 0;
    return n > 0 ? line : NULL;
}

#endif

// One entry: a line, lines that end in a backslash, or a block between lines of """. NULL at the
// end of input; free() it.
static char *read_entry(loop *l, size_t *size) {
    char *entry = NULL;
    bool is_block = false;
    FILE *out = open_memstream(&entry, size);
    l->is_continued = false;
    for (bool goes_on = true; goes_on && out != NULL;) {
        size_t n = 0;
        errno = 0;
        const char *line = next_line(l, &n);
        if (line == NULL) {
            fclose(out);
            free(entry);
            return NULL;
        }
        n -= n > 0 && line[n - 1] == '\n';
        if (n >= 3 && memcmp(line, "\"\"\"", 3) == 0) {
            is_block = !is_block;
            goes_on = is_block;
            l->is_continued = is_block;
            continue;
        }
        const bool is_joined = !is_block && n > 0 && line[n - 1] == '\\';
        fwrite(line, 1, is_joined ? n - 1 : n, out);
        if (is_joined || is_block) {
            fputc('\n', out);
        }
        goes_on = is_joined || is_block;
        l->is_continued = goes_on;
    }
    if (out != NULL) {
        fclose(out);
    }
    return entry;
}

// ---- commands ----

static void cmd_help_text(loop *l, const char *rest) {
    (void)l;
    (void)rest;
    printf("/help           show this\n/reset          forget the conversation\n"
           "/image FILE     a JPEG or PNG for the next question\n"
           "/system TEXT    set the system message and start anew\n"
           "/save FILE      write the conversation as JSON\n/stats          speed and seed of the "
           "last answer\n"
           "/quit           leave (Ctrl-D too)\n"
           "A line that ends in \\ goes on; \"\"\" on lines of their own enclose a block. Ctrl-C "
           "stops an answer.\n");
}

static void start_anew(cli_chat *chat) {
    cli_chat_reset(chat);
    if (chat->pictures != NULL) {
        cli_pictures_close(chat->pictures);
        chat->n_waiting = 0;
    }
}

static void cmd_reset(loop *l, const char *rest) {
    (void)rest;
    start_anew(l->chat);
}

static void cmd_system(loop *l, const char *rest) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL || fputs(rest, out) < 0 || fclose(out) != 0) {
        cli_error("no memory for the system message");
        return;
    }
    free(l->system_text);
    l->system_text = text;
    l->chat->system = size == 0 ? NULL : text;
    start_anew(l->chat);
}

static void cmd_image(loop *l, const char *rest) {
    if (l->chat->pictures == NULL || !raga_model_sees(l->chat->model)) {
        cli_error("this model does not see pictures");
    } else if (rest[0] == '\0') {
        cli_error("which picture? /image FILE");
    } else if (cli_pictures_add(l->chat->pictures, l->chat->model, rest)) {
        const raga_picture *last = l->chat->pictures->items[l->chat->pictures->n - 1];
        l->chat->n_waiting++;
        printf("seen, as %zu tokens: now ask\n", raga_picture_tokens(last));
    }
}

static void cmd_save(loop *l, const char *rest) {
    FILE *out = rest[0] == '\0' ? NULL : fopen(rest, "we");
    if (out == NULL) {
        cli_error("cannot write \"%s\": /save FILE", rest);
        return;
    }
    fprintf(out, "{\"messages\":[%s]}\n", l->chat->messages == NULL ? "" : l->chat->messages);
    if (fclose(out) != 0) {
        cli_error("cannot write %s", rest);
    }
}

static void cmd_stats(loop *l, const char *rest) {
    (void)rest;
    const raga_result *r = &l->chat->last;
    if (!l->chat->has_last) {
        printf("no answer yet\n");
        return;
    }
    printf("%zu prompt tokens, %.2f s to the first; %zu generated, %.1f tokens/s; seed %llu; "
           "stopped: %s\n",
           r->n_prompt, r->prompt_s, r->n_generated,
           r->generate_s > 0 ? (double)r->n_generated / r->generate_s : 0,
           (unsigned long long)r->seed, r->stop);
    cli_print_guesses(stdout, r);
    printf("%zu of %zu tokens of context used\n", raga_session_count(l->chat->session),
           raga_model_ctx(l->chat->model));
}

static void cmd_quit(loop *l, const char *rest) {
    (void)rest;
    l->is_over = true;
}

static void run_command(loop *l, const char *entry) {
    static const struct {
        const char *name;
        void (*fn)(loop *l, const char *rest);
    } table[] = {{"/help", cmd_help_text}, {"/reset", cmd_reset}, {"/image", cmd_image},
                 {"/system", cmd_system},  {"/save", cmd_save},   {"/stats", cmd_stats},
                 {"/quit", cmd_quit}};
    const size_t n = strcspn(entry, " \t\n");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strlen(table[i].name) == n && memcmp(entry, table[i].name, n) == 0) {
            const char *rest = entry + n + strspn(entry + n, " \t");
            table[i].fn(l, rest);
            return;
        }
    }
    cli_error("there is no command %.*s; /help lists them", (int)n, entry);
}

// ---- answers ----

static bool show_step(void *arg, const raga_step *step) {
    (void)arg;
    fwrite(step->text, 1, step->text_size, stdout);
    return fflush(stdout) == 0;
}

static void answer(void *arg, const char *entry, size_t size) {
    cli_chat *chat = arg;
    raga_error err = {0};
    const size_t mark = cli_chat_mark(chat);
    if (!cli_chat_add(chat, "user", entry, size)) {
        cli_error("no memory for the message");
        return;
    }
    const raga_status status = cli_chat_answer(chat, show_step, NULL, &err);
    printf("\n");
    if (status != RAGA_OK) {
        // a question without an answer would stand in the way of the next one
        cli_chat_drop(chat, mark);
        if (status != RAGA_E_CANCELLED) {
            cli_failed(&err);
        }
        if (status == RAGA_E_LIMIT && chat->n_waiting != 0) {
            // nor would pictures that do not fit
            cli_pictures_pop(chat->pictures, chat->n_waiting);
            chat->n_waiting = 0;
            fprintf(stderr, "%s(the pictures of this question are forgotten)%s\n", cli_dim(),
                    cli_plain());
        }
    } else if (strcmp(chat->last.stop, "length") == 0) {
        fprintf(stderr, "%s(stopped after %zu tokens: --max-tokens allows more)%s\n", cli_dim(),
                chat->last.n_generated, cli_plain());
    } else if (strcmp(chat->last.stop, "context") == 0) {
        fprintf(stderr, "%s(the context of %zu tokens is full: /reset, or --ctx)%s\n", cli_dim(),
                raga_model_ctx(chat->model), cli_plain());
    }
}

void cli_chat_entries(cli_chat *chat, cli_say_fn *say, void *arg) {
    loop l = {.chat = chat};
    raga_model_facts facts = {.size = sizeof facts};
    raga_model_get_facts(chat->model, &facts);
    fprintf(stderr,
            "%s%s: %s, context %zu tokens, %u threads. /help lists commands, Ctrl-D leaves.%s\n",
            cli_dim(), facts.name, facts.file_type, raga_model_ctx(chat->model),
            raga_model_threads(chat->model), cli_plain());
    cli_chat_reset(chat);
    struct sigaction action = {.sa_handler = on_interrupt};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    open_lines(&l);
    while (!l.is_over) {
        size_t size = 0;
        const int before = n_interrupts;
        char *entry = read_entry(&l, &size);
        if (entry == NULL) {
            // Ctrl-C at the prompt drops the line; a second one at once leaves, as Ctrl-D does
            if (n_interrupts == before + 1 && !feof(stdin)) {
                printf("\n(Ctrl-C again, or Ctrl-D, to leave)\n");
                clearerr(stdin);
                char *again = read_entry(&l, &size);
                if (again == NULL) {
                    break;
                }
                entry = again;
            } else {
                printf("\n");
                break;
            }
        }
        if (entry[0] == '/') {
            run_command(&l, entry);
        } else if (strspn(entry, " \t\n") != size) {
            answering = chat->session;
            say(arg, entry, size);
            answering = NULL;
        }
        free(entry);
    }
    close_lines(&l);
    free(l.system_text);
}

int cli_chat_loop(raga_model *model, const raga_generate_options *options, const char *system,
                  const char *kwargs, cli_pictures *pictures) {
    raga_error err = {0};
    cli_chat chat = {.model = model,
                     .generate = *options,
                     .system = system,
                     .kwargs = kwargs,
                     .pictures = pictures,
                     .n_waiting = pictures->n};
    if (raga_session_new(model, &chat.session, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    cli_chat_entries(&chat, answer, &chat);
    cli_chat_clear(&chat);
    raga_session_free(chat.session);
    return CLI_OK;
}
