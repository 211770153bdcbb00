#include "cli/chat_loop.h"
#include "cli/chat_turns.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/open_model.h"
#include "cli/output.h"
#include "cli/pictures.h"
#include "cli/run_lines.h"
#include "raga/calls.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct run {
    cli_model m;
    const char *prompt;
    const char *system;
    const char *ids;
    const char *think; // "on", "off"; NULL: as the template does
    int64_t think_budget;
    bool has_think_budget;
    int64_t max_tokens, top_k, seed, n_logprobs, last_n;
    double temperature, top_p, min_p, typical_p, repeat_penalty, presence, frequency;
    bool has_temperature, has_seed, is_raw, is_json, has_stats, is_jsonl, is_unheld;
    const char *schema, *gbnf; // files, and
    const char *regex;         // a text: what the answer is held to, one of the three
    raga_grammar *grammar;
    cli_list stop;
    cli_pictures pictures;
} run;

/** One answer on its way to standard output, and as ids for --json. */
typedef struct printer {
    bool is_json;
    FILE *ids;
    FILE *text;
    FILE *logprobs;
    size_t n;
} printer;

static bool print_step(void *arg, const raga_step *step) {
    printer *p = arg;
    if (!p->is_json) {
        fwrite(step->text, 1, step->text_size, stdout);
        return fflush(stdout) == 0;
    }
    fwrite(step->text, 1, step->text_size, p->text);
    if (step->id >= 0) {
        fprintf(p->ids, p->n == 0 ? "%d" : ",%d", step->id);
        fprintf(p->logprobs, "%s{\"id\":%d,\"logprob\":%.6f,\"top\":[", p->n == 0 ? "" : ",",
                step->id, (double)step->logprob);
        for (size_t i = 0; i < step->n_top; i++) {
            fprintf(p->logprobs, "%s{\"id\":%d,\"logprob\":%.6f}", i == 0 ? "" : ",",
                    step->top[i].id, (double)step->top[i].logprob);
        }
        fprintf(p->logprobs, "]}");
        p->n++;
    }
    return true;
}

static raga_generate_options read_generate(const run *r) {
    return (raga_generate_options){.size = sizeof(raga_generate_options),
                                   .max_tokens = (size_t)r->max_tokens,
                                   .has_temperature = r->has_temperature,
                                   .temperature = (float)r->temperature,
                                   .top_k = (int32_t)r->top_k,
                                   .top_p = (float)r->top_p,
                                   .min_p = (float)r->min_p,
                                   .typical_p = (float)r->typical_p,
                                   .repetition_penalty = (float)r->repeat_penalty,
                                   .presence_penalty = (float)r->presence,
                                   .frequency_penalty = (float)r->frequency,
                                   .penalty_last_n = (uint32_t)r->last_n,
                                   .has_seed = r->has_seed,
                                   .seed = (uint64_t)r->seed,
                                   .stop = r->stop.items,
                                   .n_stop = r->stop.n,
                                   .n_logprobs = (uint32_t)r->n_logprobs,
                                   .grammar = r->grammar,
                                   .has_think_budget = r->has_think_budget,
                                   .think_budget = (size_t)r->think_budget};
}

static void print_json(const raga_result *res, const char *ids, const char *text, size_t text_size,
                       const char *logprobs, bool has_logprobs) {
    printf("{\"ids\":[%s],\"text\":", ids);
    cli_json_text(stdout, text, text_size);
    printf(",\"prompt_tokens\":%zu,\"stop\":\"%s\",\"seed\":%llu,\"prompt_s\":%.4f,\"generate_s\":%"
           ".4f",
           res->n_prompt, res->stop, (unsigned long long)res->seed, res->prompt_s, res->generate_s);
    if (res->n_guessed != 0) {
        printf(",\"steps\":%zu,\"guessed\":%zu,\"accepted\":%zu", res->n_steps, res->n_guessed,
               res->n_accepted);
    }
    if (has_logprobs) {
        printf(",\"logprobs\":[%s]", logprobs);
    }
    printf("}\n");
}

static void print_stats(const raga_model *model, const raga_result *res) {
    fprintf(stderr,
            "%s%zu prompt tokens, %.2f s to the first; %zu generated, %.1f tokens/s; seed %llu; "
            "context %zu; "
            "stopped: %s%s\n",
            cli_dim(), res->n_prompt, res->prompt_s, res->n_generated,
            res->generate_s > 0 ? (double)res->n_generated / res->generate_s : 0,
            (unsigned long long)res->seed, raga_model_ctx(model), res->stop, cli_plain());
    cli_print_guesses(stderr, res);
}

// what a reader of the answer may want to know, and a program that reads it not
static void print_note(const raga_result *res) {
    if (strcmp(res->stop, "length") == 0 || strcmp(res->stop, "context") == 0) {
        fprintf(stderr, "%s(stopped after %zu tokens: %s)%s\n", cli_dim(), res->n_generated,
                res->stop[0] == 'l' ? "--max-tokens allows more" : "the context is full, see --ctx",
                cli_plain());
    }
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "%s(seed %llu)%s\n", cli_dim(), (unsigned long long)res->seed, cli_plain());
    }
}

// the switch for reasoning, as templates name it; NULL: it is left alone
static const char *kwargs_of(const run *r) {
    return r->think == NULL               ? NULL
           : strcmp(r->think, "off") == 0 ? "{\"enable_thinking\":false,\"thinking\":false}"
                                          : "{\"enable_thinking\":true,\"thinking\":true}";
}

// ids of the prompt: given, raw text, or a conversation of one message
static raga_status prompt_ids(const run *r, raga_model *model, const char *prompt, size_t size,
                              int32_t **ids, size_t *n, raga_error *err) {
    const raga_tokenizer *tok = raga_model_tokenizer(model);
    if (r->is_raw) {
        return raga_tokenize(tok, prompt, size,
                             RAGA_TOKENIZE_PARSE_SPECIAL | RAGA_TOKENIZE_ADD_SPECIAL, ids, n, err);
    }
    char *json = NULL;
    size_t json_size = 0;
    FILE *out = open_memstream(&json, &json_size);
    if (out == NULL) {
        return err->status = RAGA_E_MEMORY;
    }
    fputs("{\"messages\":[", out);
    if (r->system != NULL) {
        fputs("{\"role\":\"system\",\"content\":", out);
        cli_json_text(out, r->system, strlen(r->system));
        fputs("},", out);
    }
    fputs("{\"role\":\"user\",\"content\":", out);
    if (r->pictures.n != 0) { // they come before the words
        fputc('[', out);
        for (size_t i = 0; i < r->pictures.n; i++) {
            fputs("{\"type\":\"image\"},", out);
        }
        fputs("{\"type\":\"text\",\"text\":", out);
    }
    cli_json_text(out, prompt, size);
    fputs(r->pictures.n != 0 ? "}]" : "", out);
    fprintf(out, "}],\"kwargs\":%s}", kwargs_of(r) == NULL ? "{}" : kwargs_of(r));
    raga_status status = RAGA_E_MEMORY;
    if (fclose(out) == 0) {
        status = raga_chat_ids(model, json, json_size, ids, n, err);
    }
    free(json);
    return status;
}

static int answer_once(const run *r, raga_model *model, const int32_t *ids, size_t n) {
    raga_error err = {0};
    raga_session *session = NULL;
    raga_result result = {.size = sizeof result};
    const raga_generate_options options = read_generate(r);
    char *texts[3] = {NULL, NULL, NULL};
    size_t sizes[3] = {0, 0, 0};
    if (raga_session_new(model, &session, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    printer p = {.is_json = r->is_json,
                 .ids = open_memstream(&texts[0], &sizes[0]),
                 .text = open_memstream(&texts[1], &sizes[1]),
                 .logprobs = open_memstream(&texts[2], &sizes[2])};
    cli_interrupt_cancels(session);
    int32_t *with_pictures = NULL;
    raga_status status = RAGA_OK;
    if (r->pictures.n != 0) {
        status = raga_session_continue(session, r->pictures.items, r->pictures.n, ids, n,
                                       &with_pictures, &n, &err);
        ids = with_pictures;
    }
    if (status == RAGA_OK) {
        status = raga_generate(session, ids, n, &options, print_step, &p, &result, &err);
    }
    raga_free(with_pictures);
    cli_interrupt_cancels(NULL);
    fclose(p.ids);
    fclose(p.text);
    fclose(p.logprobs);
    int exit_status = status == RAGA_OK            ? CLI_OK
                      : status == RAGA_E_CANCELLED ? CLI_INTERRUPTED
                                                   : cli_failed(&err);
    if (status == RAGA_OK) {
        if (r->is_json) {
            print_json(&result, texts[0], texts[1], sizes[1], texts[2], r->n_logprobs > 0);
        } else {
            printf("\n");
        }
        if (r->has_stats) {
            print_stats(model, &result);
        } else if (!r->is_json) {
            print_note(&result);
        }
        exit_status = strcmp(result.stop, "cancelled") == 0 ? CLI_INTERRUPTED : CLI_OK;
    }
    for (size_t i = 0; i < 3; i++) {
        free(texts[i]);
    }
    raga_session_free(session);
    return exit_status;
}

static int answer_text(const run *r, raga_model *model, const char *prompt, size_t size) {
    raga_error err = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    if (raga_model_tokenizer(model) == NULL) {
        cli_error("%s has no tokenizer: give token ids (--ids)", r->m.path);
        return CLI_FAILED;
    }
    if (prompt_ids(r, model, prompt, size, &ids, &n, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    const int status = answer_once(r, model, ids, n);
    raga_free(ids);
    return status;
}

static int answer_ids(const run *r, raga_model *model) {
    int32_t *ids = NULL;
    const long n = cli_read_ids(r->ids, &ids);
    const int status = n < 0 ? CLI_USAGE : answer_once(r, model, ids, (size_t)n);
    free(ids);
    return status;
}

static int answer(run *r, raga_model *model) {
    if (r->ids != NULL) {
        return answer_ids(r, model);
    }
    if (r->prompt != NULL) {
        return answer_text(r, model, r->prompt, strlen(r->prompt));
    }
    if (isatty(STDIN_FILENO) && !r->is_json) {
        const raga_generate_options options = read_generate(r);
        return cli_chat_loop(model, &options, r->system, kwargs_of(r), &r->pictures);
    }
    size_t size = 0;
    char *prompt = cli_read_all("-", &size);
    if (prompt == NULL) {
        return CLI_FAILED;
    }
    // the newline that ends a line of input is not part of the question
    while (!r->is_raw && size > 0 && prompt[size - 1] == '\n') {
        size--;
    }
    int status = CLI_USAGE;
    if (size == 0) {
        cli_error("standard input is empty: give a prompt, as an argument or piped in");
    } else {
        status = answer_text(r, model, prompt, size);
    }
    free(prompt);
    return status;
}

// false with a message when there is one and it cannot be used
static bool read_grammar(run *r, raga_model *model) {
    raga_error err = {0};
    size_t size = 0;
    const char *path = r->schema != NULL ? r->schema : r->gbnf;
    if (r->regex != NULL) {
        const raga_status status =
            raga_grammar_of_regex(model, r->regex, strlen(r->regex), &r->grammar, &err);
        return status == RAGA_OK || cli_failed(&err) == CLI_OK;
    }
    if (path == NULL) {
        return true;
    }
    char *text = cli_read_all(path, &size);
    if (text == NULL) {
        return false;
    }
    const raga_status status = r->schema != NULL
                                   ? raga_grammar_of_schema(model, text, size, &r->grammar, &err)
                                   : raga_grammar_of_gbnf(model, text, size, &r->grammar, &err);
    if (status != RAGA_OK) {
        cli_error("%s: %s", path, err.text);
    }
    free(text);
    return status == RAGA_OK;
}

int cmd_run(int argc, char **argv) {
    run r = {0};
    const char *words[2] = {NULL, NULL};
    bool has_top_k = false;
    // clang-format off
    const cli_option options[] = {
        {"--max-tokens,-n", CLI_INT, &r.max_tokens, "N", "most tokens of an answer (4096)", 1, 1e9, NULL},
        {"--temp", CLI_REAL, &r.temperature, "X", "temperature; 0 takes the likeliest (the model's, else 0.8)", 0, 100, &r.has_temperature},
        {"--top-k", CLI_INT, &r.top_k, "N", "of the N likeliest; 0 off (the model's, else 40)", -1, 1e9, &has_top_k},
        {"--top-p", CLI_REAL, &r.top_p, "X", "of the likeliest that reach this mass (the model's, else 0.95)", 1e-6, 1, NULL},
        {"--min-p", CLI_REAL, &r.min_p, "X", "at least this share of the likeliest; -1 off (0.05)", -1, 1, NULL},
        {"--typical", CLI_REAL, &r.typical_p, "X", "locally typical mass (off)", 0, 1, NULL},
        {"--repeat-penalty", CLI_REAL, &r.repeat_penalty, "X", "divides the logits of recent tokens (the model's, else 1)", 0.01, 100, NULL},
        {"--presence-penalty", CLI_REAL, &r.presence, "X", "taken once from recent tokens (0)", -100, 100, NULL},
        {"--frequency-penalty", CLI_REAL, &r.frequency, "X", "taken for each time (0)", -100, 100, NULL},
        {"--penalty-last-n", CLI_INT, &r.last_n, "N", "tokens that penalties see (64)", 1, 65536, NULL},
        {"--seed", CLI_INT, &r.seed, "N", "repeat an answer (chosen, and told by --stats)", 0, 9e15, &r.has_seed},
        {"--stop", CLI_LIST, &r.stop, "TEXT", "stop at this text; may be given again", 0, 0, NULL},
        {"--system", CLI_TEXT, &r.system, "TEXT", "the system message", 0, 0, NULL},
        {"--image", CLI_LIST, &r.pictures.images, "FILE", "a JPEG or PNG to look at; may be repeated", 0, 0, NULL},
        {"--image-tokens", CLI_INT, &r.pictures.max_tokens, "N", "most of one picture (as the model's files say)", 4, 1 << 20, NULL},
        {"--think", CLI_TEXT, &r.think, "on|off", "reasoning, where the model has a switch for it", 0, 0, NULL},
        {"--think-budget", CLI_INT, &r.think_budget, "N", "tokens of reasoning, then it is ended", 0, 1 << 30, &r.has_think_budget},
        {"--raw", CLI_FLAG, &r.is_raw, NULL, "no chat template: go on from the text", 0, 0, NULL},
        {"--ids", CLI_TEXT, &r.ids, "LIST", "token ids as prompt: 1,2,3 or @FILE", 0, 0, NULL},
        {"--logprobs", CLI_INT, &r.n_logprobs, "N", "with --json: log-probabilities, of the N likeliest too", 1, 20, NULL},
        {"--json", CLI_FLAG, &r.is_json, NULL, "print one JSON object", 0, 0, NULL},
        {"--schema", CLI_TEXT, &r.schema, "FILE", "hold the answer to this JSON Schema", 0, 0, NULL},
        {"--grammar", CLI_TEXT, &r.gbnf, "FILE", "hold it to a grammar in GBNF, as llama.cpp reads it", 0, 0, NULL},
        {"--regex", CLI_TEXT, &r.regex, "TEXT", "hold it to a regular expression, all of it", 0, 0, NULL},
        {"--jsonl", CLI_FLAG, &r.is_jsonl, NULL, "{id, messages, tools} a line to {id, calls, reply}", 0, 0, NULL},
        {"--no-grammar", CLI_FLAG, &r.is_unheld, NULL, "with --jsonl: calls may be malformed", 0, 0, NULL},
        {"--speculate", CLI_TEXT, &r.m.speculate, "HOW[:N]", "guess N tokens ahead by the model's head (mtp) or the text so far (ngram)", 0, 0, NULL},
        {"--stats", CLI_FLAG, &r.has_stats, NULL, "tokens, speed and seed on stderr", 0, 0, NULL},
        CLI_MODEL_OPTIONS(r.m),
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga run [MODEL] [PROMPT]",
        .about =
            "Chat with a model: a GGUF file, a Hugging Face directory, or the built-in one (also "
            "by "
            "the name builtin).\nWith a prompt, or text on standard input, it answers once. With "
            "--jsonl each line of standard input is a\nconversation and gets one line: the calls "
            "of its tools, and the reply.",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = words,
        .words_min = 0,
        .words_max = 2,
        .examples = "  raga run model.gguf\n  raga run model.gguf \"Why is the sky blue?\"\n"
                    "  raga run model.gguf --ids 1,2,3 -n 16 --temp 0 --json\n"
                    "  raga run model.gguf --schema person.json \"Ada, born 1815\"\n"
                    "  raga run model.gguf --regex \"yes|no\" \"Is water wet?\"\n"
                    "  raga run Qwen3-VL-2B-Instruct --image photo.jpg \"What is this?\"\n"
                    "  raga run model.gguf --jsonl < conversations.jsonl\n"
                    "  raga run Qwen3.5-4B --speculate mtp:2 --stats \"Why is the sky blue?\"\n"};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    r.m.path = words[0];
    r.prompt = words[1];
    if (r.prompt != NULL && r.ids != NULL) {
        cli_error("a prompt and --ids say two things: give one of them");
        return CLI_USAGE;
    }
    const int n_held = (r.schema != NULL) + (r.gbnf != NULL) + (r.regex != NULL);
    if (r.is_jsonl && r.pictures.images.n != 0) {
        cli_error("--jsonl reads conversations of words: no --image beside it");
        return CLI_USAGE;
    }
    if (r.is_jsonl && (r.prompt != NULL || r.ids != NULL || n_held != 0 || r.is_raw)) {
        cli_error("--jsonl reads conversations: no prompt, --ids, --raw, --schema, --grammar or "
                  "--regex beside it");
        return CLI_USAGE;
    }
    if (r.think != NULL && strcmp(r.think, "on") != 0 && strcmp(r.think, "off") != 0) {
        cli_error("--think %s: say on or off", r.think);
        return CLI_USAGE;
    }
    if (n_held > 1) {
        cli_error("--schema, --grammar and --regex each hold the answer to something: give one");
        return CLI_USAGE;
    }
    r.top_k = has_top_k && r.top_k == 0 ? -1 : r.top_k;
    if (r.m.path == NULL && !raga_has_builtin()) {
        cli_error("no model named, and none is built in: raga run MODEL, a GGUF file or a Hugging "
                  "Face directory (https://huggingface.co has both)");
        return CLI_USAGE;
    }
    r.m.path = r.m.path == NULL ? RAGA_BUILTIN : r.m.path;
    raga_model *model = cli_open_model(&r.m);
    if (model == NULL) {
        return CLI_FAILED;
    }
    int exit_status = CLI_FAILED;
    if (r.is_jsonl) {
        const bool is_builtin = strcmp(r.m.path, RAGA_BUILTIN) == 0;
        exit_status = cli_run_lines(model, (size_t)r.max_tokens, r.is_unheld, is_builtin);
    } else if (read_grammar(&r, model) && cli_pictures_open(&r.pictures, model)) {
        exit_status = answer(&r, model);
    }
    cli_pictures_close(&r.pictures);
    raga_grammar_free(r.grammar);
    raga_model_close(model);
    return exit_status;
}
