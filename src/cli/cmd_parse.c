/* raga parse: what a model wrote, taken apart as a server or a robot would. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "raga/calls.h"

#include <stdlib.h>
#include <string.h>

enum { THOUGHT, REPLY, CALLS, WARNINGS, PARTS };

/** An answer as it comes apart: the text of each part. Calls and warnings are JSON, with commas. */
typedef struct parts {
    FILE *out[PARTS];
    char *text[PARTS];
    size_t size[PARTS];
    size_t n_calls;
    size_t n_warnings;
    bool is_streamed; // each piece is shown, a line of JSON
    char *call;       // name and id of the call at hand, JSON
    size_t call_size;
} parts;

static const char *const kinds[] = {"text", "reasoning", "call", "arguments", "call_end", "broken"};

static void show_piece(const raga_piece *piece) {
    printf("{\"piece\": \"%s\", \"text\": ", kinds[piece->kind]);
    cli_json_text(stdout, piece->text, piece->text_size);
    if (piece->id_size != 0) {
        fputs(", \"id\": ", stdout);
        cli_json_text(stdout, piece->id, piece->id_size);
    }
    puts("}");
}

// the head of a call, kept until its arguments are whole
static void keep_call(parts *p, const raga_piece *piece) {
    free(p->call);
    p->call = NULL;
    FILE *head = open_memstream(&p->call, &p->call_size);
    if (head == NULL) {
        return;
    }
    if (piece->id_size != 0) {
        fputs("\"id\": ", head);
        cli_json_text(head, piece->id, piece->id_size);
        fputs(", ", head);
    }
    fputs("\"name\": ", head);
    cli_json_text(head, piece->text, piece->text_size);
    fclose(head);
}

static void take_piece(void *arg, const raga_piece *piece) {
    parts *p = arg;
    if (p->is_streamed) {
        show_piece(piece);
        return;
    }
    switch (piece->kind) {
    case RAGA_PIECE_TEXT:
        fwrite(piece->text, 1, piece->text_size, p->out[REPLY]);
        break;
    case RAGA_PIECE_REASONING:
        fwrite(piece->text, 1, piece->text_size, p->out[THOUGHT]);
        break;
    case RAGA_PIECE_CALL:
        keep_call(p, piece);
        break;
    case RAGA_PIECE_ARGUMENTS:
        break;
    case RAGA_PIECE_CALL_END:
        fprintf(p->out[CALLS], "%s{%s, \"arguments\": ", p->n_calls++ == 0 ? "" : ", ",
                p->call == NULL ? "" : p->call);
        cli_json_line(p->out[CALLS], piece->text, piece->text_size);
        fputs("}", p->out[CALLS]);
        break;
    case RAGA_PIECE_BROKEN:
        fputs(p->n_warnings++ == 0 ? "" : ", ", p->out[WARNINGS]);
        cli_json_text(p->out[WARNINGS], piece->text, piece->text_size);
        break;
    }
}

static void show_json(const parts *p) {
    fputs("{\"reasoning\": ", stdout);
    cli_json_text(stdout, p->text[THOUGHT], p->size[THOUGHT]);
    fputs(", \"reply\": ", stdout);
    cli_json_text(stdout, p->text[REPLY], p->size[REPLY]);
    printf(", \"calls\": [%s], \"warnings\": [%s]}\n", p->text[CALLS], p->text[WARNINGS]);
}

static void show_people(const parts *p) {
    static const char *const titles[PARTS] = {"reasoning", "reply", "calls", "warnings"};
    for (size_t i = 0; i < PARTS; i++) {
        if (p->size[i] != 0) {
            printf("%s: ", titles[i]);
            cli_print_safe(p->text[i], p->size[i]);
            puts("");
        }
    }
}

// feed the text, some bytes at a time
static raga_status read_answer(raga_answer *a, const char *text, size_t size, size_t step,
                               raga_error *err) {
    raga_status status = RAGA_OK;
    for (size_t at = 0; at < size && status == RAGA_OK; at += step) {
        status = raga_answer_feed(a, text + at, size - at < step ? size - at : step, err);
    }
    return status == RAGA_OK ? raga_answer_finish(a, err) : status;
}

static void print_families(void) {
    printf("how models write calls and reasoning:");
    for (size_t i = 0; raga_dialect_name(i) != NULL; i++) {
        printf(" %s", raga_dialect_name(i));
    }
    puts("\nnames of families do as well: qwen3, qwen3.5, deepseek-r1, deepseek-v4, kimi-k2, "
         "llama3.3");
}

int cmd_parse(int argc, char **argv) {
    const char *path = NULL;
    const char *family = NULL;
    const char *tools_path = NULL;
    int64_t step = 0;
    bool is_json = false, is_thought = false, is_list = false;
    parts p = {0};
    // clang-format off
    const cli_option options[] = {
        {"--family", CLI_TEXT, &family, "NAME", "how the model writes: qwen3.5, kimi-k2 (hermes)", 0, 0, NULL},
        {"--tools", CLI_TEXT, &tools_path, "FILE", "declarations, JSON: types of arguments that are bare text", 0, 0, NULL},
        {"--think", CLI_FLAG, &is_thought, NULL, "the prompt ends within the reasoning", 0, 0, NULL},
        {"--stream", CLI_INT, &step, "N", "give it N bytes at a time, show each piece that comes out", 1, 1 << 20, NULL},
        {"--families", CLI_FLAG, &is_list, NULL, "list the names", 0, 0, NULL},
        {"--json", CLI_FLAG, &is_json, NULL, "one line of JSON", 0, 0, NULL},
    };
    // clang-format on
    const cli_spec spec = {.usage = "raga parse [--family NAME] FILE",
                           .about = "Take apart what a model wrote: reasoning, reply, tool calls. "
                                    "FILE may be -, standard input.",
                           .options = options,
                           .n_options = sizeof options / sizeof *options,
                           .words = &path,
                           .words_min = 0,
                           .words_max = 1};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (is_list) {
        print_families();
        return CLI_OK;
    }
    if (path == NULL) {
        cli_error("give a file with the answer, or - for standard input");
        return CLI_USAGE;
    }
    raga_error err = {0};
    raga_answer *a = NULL;
    size_t size = 0;
    char *tools = NULL;
    char *text = cli_read_all(path, &size);
    status = text == NULL ? CLI_FAILED : CLI_OK;
    if (status == CLI_OK && tools_path != NULL) {
        size_t tools_size = 0;
        tools = cli_read_all(tools_path, &tools_size);
        status = tools == NULL ? CLI_FAILED : CLI_OK;
    }
    for (size_t i = 0; i < PARTS && status == CLI_OK; i++) {
        p.out[i] = open_memstream(&p.text[i], &p.size[i]);
        if (p.out[i] == NULL) {
            cli_error("no memory for an answer");
            status = CLI_FAILED;
        }
    }
    p.is_streamed = step != 0;
    const char *end = is_thought ? "<think>" : "";
    if (status == CLI_OK &&
        (raga_answer_new_of_tools(family, tools, end, strlen(end), take_piece, &p, &a, &err) !=
             RAGA_OK ||
         read_answer(a, text, size, step == 0 ? size + 1 : (size_t)step, &err) != RAGA_OK)) {
        status = cli_failed(&err);
    }
    for (size_t i = 0; i < PARTS; i++) {
        if (p.out[i] != NULL) {
            fclose(p.out[i]);
        }
    }
    if (status == CLI_OK && !p.is_streamed) {
        (is_json ? show_json : show_people)(&p);
    }
    for (size_t i = 0; i < PARTS; i++) {
        free(p.text[i]);
    }
    raga_answer_free(a);
    free(p.call);
    free(tools);
    free(text);
    return status;
}
