/* raga verify: does this model, on this machine, do what it should? */
#include "cli/commands.h"
#include "cli/find_model.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/verify_numbers.h"
#include "raga/calls.h"
#include "raga/chat.h"

#include <stdlib.h>
#include <string.h>

enum { PROMPT_END_BYTES = 64 };

/** The checks and how they ended. */
typedef struct report {
    bool is_json;
    size_t n;
    size_t n_failed;
} report;

static const char *const outcomes[] = {"ok", "FAILED", "skipped"};

static void tell(void *arg, verify_outcome outcome, const char *check, const char *detail) {
    report *r = arg;
    r->n_failed += outcome == VERIFY_FAILED;
    if (!r->is_json) {
        printf("%-8s %-24s ", outcomes[outcome], check);
        cli_print_safe(detail, strlen(detail));
        puts("");
        return;
    }
    printf("%s{\"check\": ", r->n++ == 0 ? "{\"checks\": [" : ", ");
    cli_json_text(stdout, check, strlen(check));
    printf(", \"outcome\": \"%s\", \"detail\": ",
           outcome == VERIFY_FAILED ? "failed" : outcomes[outcome]);
    cli_json_text(stdout, detail, strlen(detail));
    printf("}");
}

// ---- the file ----

static void check_file(report *r, raga_model *m) {
    raga_model_facts facts = {.size = sizeof facts};
    char detail[512];
    raga_model_get_facts(m, &facts);
    snprintf(detail, sizeof detail, "%s, %s of %s, %u layers", facts.family,
             cli_bytes(facts.file_bytes), facts.file_type == NULL ? "?" : facts.file_type,
             facts.n_layer);
    tell(r, VERIFY_OK, "file", detail);
    if (facts.warnings[0] != '\0') {
        snprintf(detail, sizeof detail, "%.*s", (int)strcspn(facts.warnings, "\n"), facts.warnings);
        tell(r, VERIFY_SKIPPED, "settings", detail);
    }
    for (const char *line = facts.faults; *line != '\0';) {
        const size_t n = strcspn(line, "\n");
        snprintf(detail, sizeof detail, "%.*s", (int)n, line);
        tell(r, VERIFY_FAILED, "converter", detail);
        line += n + (line[n] == '\n');
    }
    if (!facts.has_chat_template) {
        tell(r, VERIFY_SKIPPED, "chat template",
             "the file brings none: converters lose it when it lies beside the weights");
    }
    if (facts.tokenizer != NULL && strcmp(facts.tokenizer, "bpe default") == 0) {
        tell(r, VERIFY_FAILED, "pre-tokenizer",
             "\"default\" splits numbers and words as no known model does: the converter did not "
             "know this one, convert again");
    }
}

// ---- the tokenizer ----

static const char *const texts[] = {
    "Hello, world!",
    "  two spaces, a tab\there, line\nbreaks\r\n\n\nand trailing ones  ",
    "Apa kabar? Ça va, naïve café, Straße, ÅNGSTRÖM",
    "机器人向前走两米，然后坐下。 ロボット 로봇",
    "1234567890 3.14159 1,000,000 0x1F 2026-11-27",
    "don't I'll we've you'RE snake_case CamelCase kebab-case",
    "if (a[i] != b->c) { return x <<= 2; } // \"quoted\" 'single' `back`",
    "🤖👩‍👩‍👧‍👦 \xe2\x80\x8b\xef\xbb\xbf ∑∞≠",
    "<|im_start|><think></s><|endoftext|> are plain text here",
};

static void check_tokenizer(report *r, const raga_tokenizer *t) {
    char detail[256];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        raga_error err = {0};
        int32_t *ids = NULL;
        char *bytes = NULL;
        size_t n = 0, size = 0;
        const size_t want = strlen(texts[i]);
        const bool is_done =
            raga_tokenize(t, texts[i], want, RAGA_TOKENIZE_PLAIN, &ids, &n, &err) == RAGA_OK &&
            raga_detokenize_bytes(t, ids, n, &bytes, &size, &err) == RAGA_OK;
        // some tokenizers put a space in front of every text
        const size_t from = is_done && size == want + 1 && bytes[0] == ' ' ? 1 : 0;
        const bool is_same =
            is_done && size - from == want && memcmp(bytes + from, texts[i], want) == 0;
        raga_free(ids);
        raga_free(bytes);
        if (!is_same) {
            snprintf(detail, sizeof detail, "text %zu of %zu comes back as another: %s", i + 1,
                     sizeof texts / sizeof *texts, is_done ? texts[i] : err.text);
            tell(r, VERIFY_FAILED, "tokenizer", detail);
            return;
        }
    }
    snprintf(detail, sizeof detail,
             "%zu texts come back as they were, %zu tokens in the vocabulary",
             sizeof texts / sizeof *texts, raga_tokenizer_vocab(t));
    tell(r, VERIFY_OK, "tokenizer", detail);
}

// ---- the chat template ----

#define TOOLS                                                                                      \
    "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"walk\", \"description\": "    \
    "\"Walk.\", \"parameters\": {\"type\": \"object\", \"properties\": {\"distance\": {\"type\": " \
    "\"number\", \"description\": \"metres\"}}, \"required\": [\"distance\"]}}}]"
#define USER "{\"role\": \"user\", \"content\": \"Walk two metres.\"}"
#define CALL                                                                                       \
    "{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"id\": "                      \
    "\"functions.walk:0\", "                                                                       \
    "\"type\": \"function\", \"function\": {\"name\": \"walk\", \"arguments\": {\"distance\": "    \
    "2}}}]}"
#define RESULT                                                                                     \
    "{\"role\": \"tool\", \"tool_call_id\": \"functions.walk:0\", \"name\": \"walk\", "            \
    "\"content\": \"{\\\"ok\\\": true}\"}"

static const struct {
    const char *name;
    const char *json;
} dialogues[] = {
    {"a question", "{\"messages\": [" USER "]}"},
    {"a system message",
     "{\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"}, " USER "]}"},
    {"several turns",
     "{\"messages\": [" USER ", {\"role\": \"assistant\", \"content\": \"Done.\"}, "
     "{\"role\": \"user\", \"content\": \"Thanks.\"}]}"},
    {"tools", "{\"messages\": [" USER "], " TOOLS "}"},
    {"a call and its result", "{\"messages\": [" USER ", " CALL ", " RESULT "], " TOOLS "}"},
};

static void check_template(report *r, const raga_model *m) {
    for (size_t i = 0; i < sizeof dialogues / sizeof *dialogues; i++) {
        raga_error err = {0};
        int32_t *ids = NULL;
        size_t n = 0;
        const raga_status status =
            raga_chat_ids(m, dialogues[i].json, strlen(dialogues[i].json), &ids, &n, &err);
        char detail[512];
        snprintf(detail, sizeof detail, "%s: %s", dialogues[i].name, err.text);
        raga_free(ids);
        if (status != RAGA_OK) {
            // models without tools may say so
            tell(r, i < 3 ? VERIFY_FAILED : VERIFY_SKIPPED, "chat template", detail);
            return;
        }
    }
    tell(r, VERIFY_OK, "chat template", "questions, several turns, tools, calls and results");
}

// An answer ends with a token of the template at which generation stops: a wrong end token in the
// file, and answers go on into questions that nobody asked.
static void check_end(report *r, const raga_model *m) {
    static const char said[] =
        "{\"messages\": [" USER ", {\"role\": \"assistant\", \"content\": \"Done.\"}], \"kwargs\": "
        "{\"add_generation_prompt\": false}}";
    raga_error err = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    if (raga_model_template(m) == NULL ||
        raga_chat_ids(m, said, strlen(said), &ids, &n, &err) != RAGA_OK) {
        return; // said by the check of the template
    }
    bool ends = false;
    enum { LAST = 3 }; // tokens: the end, and white space behind it
    for (size_t i = n > LAST ? n - LAST : 0; i < n; i++) {
        ends = ends || raga_model_is_end(m, ids[i]);
    }
    tell(r, ends ? VERIFY_OK : VERIFY_FAILED, "end of answers",
         ends
             ? "what the template ends an answer with ends its generation"
             : "the template ends an answer with a token that does not end its generation: answers "
               "will not stop by themselves");
    raga_free(ids);
}

/** What is read back of a call that the template wrote. */
typedef struct seen {
    size_t n_calls;
    size_t n_broken;
    bool is_walk;
    bool is_two;
} seen;

static void take_piece(void *arg, const raga_piece *piece) {
    seen *s = arg;
    switch (piece->kind) {
    case RAGA_PIECE_CALL:
        s->is_walk = piece->text_size == 4 && memcmp(piece->text, "walk", 4) == 0;
        break;
    case RAGA_PIECE_CALL_END:
        s->n_calls++;
        s->is_two = memmem(piece->text, piece->text_size, "2", 1) != NULL &&
                    memmem(piece->text, piece->text_size, "\"distance\"", 10) != NULL;
        break;
    case RAGA_PIECE_BROKEN:
        s->n_broken++;
        break;
    default:
        break;
    }
}

static raga_status read_back(const raga_model *m, const char *text, size_t size, const char *end,
                             size_t end_size, seen *s, raga_error *err) {
    raga_answer *a = NULL;
    raga_status status =
        raga_answer_new(raga_model_dialect(m), end, end_size, take_piece, s, &a, err);
    if (status == RAGA_OK) {
        status = raga_answer_feed(a, text, size, err);
    }
    if (status == RAGA_OK) {
        status = raga_answer_finish(a, err);
    }
    raga_answer_free(a);
    return status;
}

// a call as the template writes it into the history is a call when it is read as an answer
static void check_call(report *r, const raga_model *m, const raga_tokenizer *t) {
    static const char asked[] = "{\"messages\": [" USER "], " TOOLS "}";
    static const char called[] =
        "{\"messages\": [" USER ", " CALL "], " TOOLS ", \"kwargs\": {\"add_generation_prompt\": "
        "false}}";
    raga_error err = {0};
    int32_t *prompt = NULL, *whole = NULL;
    char *text = NULL, *end = NULL;
    size_t n_prompt = 0, n_whole = 0, size = 0, end_size = 0;
    seen s = {0};
    char detail[512];
    raga_status status = raga_chat_ids(m, asked, strlen(asked), &prompt, &n_prompt, &err);
    if (status == RAGA_OK) {
        status = raga_chat_ids(m, called, strlen(called), &whole, &n_whole, &err);
    }
    // templates may leave reasoning out of the history: what is the same is the prompt
    size_t same = 0;
    while (status == RAGA_OK && same < n_prompt && same < n_whole && prompt[same] == whole[same]) {
        same++;
    }
    if (status == RAGA_OK) {
        status = raga_detokenize_bytes(t, whole + same, n_whole - same, &text, &size, &err);
    }
    if (status == RAGA_OK) {
        const size_t from = same > PROMPT_END_BYTES ? same - PROMPT_END_BYTES : 0;
        status = raga_detokenize_bytes(t, whole + from, same - from, &end, &end_size, &err);
    }
    if (status == RAGA_OK) {
        status = read_back(m, text, size, end, end_size, &s, &err);
    }
    const bool is_written = text != NULL && memmem(text, size, "walk", 4) != NULL;
    const bool is_good = s.n_calls == 1 && s.n_broken == 0 && s.is_walk && s.is_two;
    if (status != RAGA_OK) {
        tell(r, VERIFY_SKIPPED, "tool calls", err.text);
    } else if (!is_written) {
        tell(r, VERIFY_SKIPPED, "tool calls", "the template writes no calls: this model has none");
    } else {
        snprintf(detail, sizeof detail, "as %s writes them: %s", raga_model_dialect(m),
                 is_good ? "written by the template, read back the same"
                         : "what the template wrote is not read as the same call");
        tell(r, is_good ? VERIFY_OK : VERIFY_FAILED, "tool calls", detail);
    }
    raga_free(prompt);
    raga_free(whole);
    raga_free(text);
    raga_free(end);
}

int cmd_verify(int argc, char **argv) {
    const char *path = NULL;
    report r = {0};
    int64_t n_threads = 0;
    // clang-format off
    const cli_option options[] = {
        {"--threads,-t", CLI_INT, &n_threads, "N", "threads (physical cores)", 1, 1024, NULL},
        {"--json", CLI_FLAG, &r.is_json, NULL, "one JSON object", 0, 0, NULL},
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga verify MODEL",
        .about =
            "Check a model on this machine: its file, tokenizer, chat template and tool calls, "
            "and that every path\nof the processor gives the same numbers; against reference "
            "logits too, where a directory has them\n(golden.json, logits.f32).",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = &path,
        .words_min = 1,
        .words_max = 1};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (!cli_find_model(&path)) {
        return CLI_FAILED;
    }
    raga_error err = {0};
    raga_model *model = NULL;
    const raga_model_options o = {.size = sizeof o, .path = path, .is_facts_only = true};
    if (raga_model_open(&o, &model, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    const raga_tokenizer *t = raga_model_tokenizer(model);
    check_file(&r, model);
    if (t != NULL) {
        check_tokenizer(&r, t);
        check_template(&r, model);
        check_end(&r, model);
        check_call(&r, model, t);
    } else {
        tell(&r, VERIFY_SKIPPED, "tokenizer", "the model brings none");
    }
    verify_numbers(path, model, (unsigned)n_threads, tell, &r);
    raga_model_close(model);
    if (r.is_json) {
        printf("], \"failed\": %zu}\n", r.n_failed);
    } else {
        r.n_failed == 0 ? puts("nothing wrong was found")
                        : printf("%zu checks failed\n", r.n_failed);
    }
    return r.n_failed == 0 ? CLI_OK : CLI_FAILED;
}
