#include "cli/commands.h"
#include "cli/find_model.h"
#include "cli/options.h"
#include "cli/output.h"
#include "raga/model.h"

#include <stdlib.h>
#include <string.h>

typedef struct show {
    const char *path;
    bool has_tensors;
    bool has_metadata;
    bool is_json;
    const char *tensor;
    const char *output;
    int64_t n_ctx;
} show;

static void print_shape(const raga_tensor_facts *t, const char *between) {
    for (uint32_t d = 0; d < t->n_dims; d++) {
        printf("%s%llu", d == 0 ? "" : between, (unsigned long long)t->shape[d]);
    }
}

static void print_tensors(const raga_container *c, bool is_json) {
    for (size_t i = 0; i < raga_container_tensors(c); i++) {
        raga_tensor_facts t = {.size = sizeof t};
        raga_container_tensor(c, i, &t);
        if (is_json) {
            printf("%s{\"name\":", i == 0 ? "" : ",");
            cli_json_text(stdout, t.name, strlen(t.name));
            printf(",\"type\":\"%s\",\"shape\":[", t.dtype);
            print_shape(&t, ",");
            printf("],\"bytes\":%llu}", (unsigned long long)t.bytes);
        } else {
            printf("  %-44s %-8s ", t.name, t.dtype);
            print_shape(&t, " x ");
            printf("\n");
        }
    }
}

static int write_tensor(const raga_container *c, const show *s) {
    raga_error err = {0};
    float *values = NULL;
    size_t n = 0;
    if (raga_container_read(c, s->tensor, &values, &n, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    FILE *out = fopen(s->output, "wbe");
    const bool is_written = out != NULL && fwrite(values, sizeof *values, n, out) == n;
    if (out == NULL || fclose(out) != 0 || !is_written) {
        cli_error("cannot write %s", s->output);
        raga_free(values);
        return CLI_FAILED;
    }
    raga_free(values);
    return CLI_OK;
}

static void print_json(const raga_model_facts *f, const raga_bill *b) {
    printf("\"family\":\"%s\",\"name\":", f->family);
    cli_json_text(stdout, f->name, strlen(f->name));
    printf(",\"type\":\"%s\",\"parameters\":%llu,\"file_bytes\":%llu,\"n_layer\":%u,\"n_embd\":%u,"
           "\"n_head\":%u,\"n_kv_head\":%u,\"head_dim\":%u,\"n_ff\":%u,\"n_vocab\":%u,\"n_ctx_"
           "train\":%u,"
           "\"tokenizer\":\"%s\",\"chat_template\":%s,\"sees\":%s,",
           f->file_type, (unsigned long long)f->n_params, (unsigned long long)f->file_bytes,
           f->n_layer, f->n_embd, f->n_head, f->n_kv_head, f->head_dim, f->n_ff, f->n_vocab,
           f->n_ctx_train, f->tokenizer == NULL ? "" : f->tokenizer,
           f->has_chat_template ? "true" : "false", f->sees ? "true" : "false");
    if (b != NULL) {
        printf("\"bill\":{\"n_ctx\":%zu,\"weights_mapped\":%llu,\"weights_owned\":%llu,\"kv\":%llu,"
               "\"activations\":%llu,\"scratch\":%llu,\"pictures\":%llu,\"total\":%llu,\"budget\":%"
               "llu},",
               b->n_ctx, (unsigned long long)b->weights_mapped,
               (unsigned long long)b->weights_owned, (unsigned long long)b->kv,
               (unsigned long long)b->activations, (unsigned long long)b->scratch,
               (unsigned long long)b->pictures, (unsigned long long)b->total,
               (unsigned long long)b->budget);
    }
    printf("\"untested\":");
    cli_json_text(stdout, f->untested, strlen(f->untested));
    printf(",\"warnings\":");
    cli_json_text(stdout, f->warnings, strlen(f->warnings));
    printf(",\"faults\":");
    cli_json_text(stdout, f->faults, strlen(f->faults));
    printf(",");
}

static void print_text(const raga_model_facts *f, const raga_bill *b) {
    printf("model       %s\nfamily      %s, %.3g parameters, mostly %s (%s)\n", f->name, f->family,
           (double)f->n_params, f->file_type, cli_bytes(f->file_bytes));
    printf("shape       %u layers, width %u, %u heads (%u for keys and values) of %u, feed-forward "
           "%u\n",
           f->n_layer, f->n_embd, f->n_head, f->n_kv_head, f->head_dim, f->n_ff);
    printf(
        "vocabulary  %u tokens, tokenizer %s\ncontext     trained for %u tokens\ntemplate    %s\n",
        f->n_vocab, f->tokenizer == NULL ? "none" : f->tokenizer, f->n_ctx_train,
        f->has_chat_template ? "yes" : "none");
    if (b != NULL) {
        printf("memory      for a context of %zu tokens: %s of %s free\n", b->n_ctx,
               cli_bytes(b->total), cli_bytes(b->budget));
        printf("            weights %s mapped, %s made on load\n", cli_bytes(b->weights_mapped),
               cli_bytes(b->weights_owned));
        printf("            cache %s, activations %s, scratch %s\n", cli_bytes(b->kv),
               cli_bytes(b->activations), cli_bytes(b->scratch));
        if (f->sees) {
            printf("            %s to see pictures\n", cli_bytes(b->pictures));
        }
    }
    if (f->untested[0] != '\0') {
        printf("untested    %s\n", f->untested);
    }
}

// lines from a file, under a heading where there are any
static void print_lines(const char *heading, const char *lines) {
    if (lines[0] != '\0') {
        printf("\n%s\n", heading);
    }
    for (const char *at = lines; *at != '\0';) {
        const size_t n = strcspn(at, "\n");
        cli_print_safe(at, n);
        puts("");
        at += n + (at[n] == '\n');
    }
}

// the facts of the model in the container, when there is one; else why there is none
static int print_model(const raga_container *c, const show *s) {
    raga_error err = {0};
    raga_model *model = NULL;
    const raga_model_options o = {.size = sizeof o, .path = s->path, .is_facts_only = true};
    if (raga_model_open(&o, &model, &err) != RAGA_OK) {
        if (s->is_json) {
            printf("\"not_a_model\":");
            cli_json_text(stdout, err.text, strlen(err.text));
            printf(",\"warnings\":");
            cli_json_text(stdout, raga_container_warnings(c), strlen(raga_container_warnings(c)));
            printf(",");
        } else {
            printf("no model    %s\n%s", err.text, raga_container_warnings(c));
        }
        return CLI_OK;
    }
    raga_model_facts facts = {.size = sizeof facts};
    raga_bill bill = {.size = sizeof bill};
    raga_model_get_facts(model, &facts);
    const bool has_bill = raga_model_bill(model, (size_t)s->n_ctx, &bill, &err) == RAGA_OK;
    (s->is_json ? print_json : print_text)(&facts, has_bill ? &bill : NULL);
    if (!has_bill) {
        cli_error("%s", err.text);
    }
    if (!s->is_json) {
        print_lines("faults of the file (raga verify looks for more)", facts.faults);
        print_lines("notes", facts.warnings);
    }
    raga_model_close(model);
    return has_bill ? CLI_OK : CLI_FAILED;
}

static int print_all(const raga_container *c, const show *s) {
    raga_error err = {0};
    char *metadata = NULL;
    printf(s->is_json ? "{" : "");
    const int status = print_model(c, s);
    if (s->has_metadata && raga_container_metadata(c, &metadata, &err) == RAGA_OK) {
        printf(s->is_json ? "\"metadata\":%s," : "\nmetadata\n%s\n", metadata);
    }
    raga_free(metadata);
    if (s->is_json) {
        printf("\"container\":\"%s\",\"n_tensors\":%zu", raga_container_kind(c),
               raga_container_tensors(c));
        printf(s->has_tensors ? ",\"tensors\":[" : "");
    } else {
        printf("%zu tensors (%s)\n", raga_container_tensors(c), raga_container_kind(c));
    }
    if (s->has_tensors) {
        print_tensors(c, s->is_json);
    }
    printf(s->is_json ? s->has_tensors ? "]}\n" : "}\n" : "");
    return status;
}

int cmd_show(int argc, char **argv) {
    show s = {0};
    // clang-format off
    const cli_option options[] = {
        {"--tensors", CLI_FLAG, &s.has_tensors, NULL, "list the tensors", 0, 0, NULL},
        {"--tensor", CLI_TEXT, &s.tensor, "NAME", "write one tensor's values (needs -o)", 0, 0, NULL},
        {"--output,-o", CLI_TEXT, &s.output, "FILE", "where --tensor writes float32", 0, 0, NULL},
        {"--ctx,-c", CLI_INT, &s.n_ctx, "N", "the memory bill for this context", 1, 1e9, NULL},
        {"--metadata", CLI_FLAG, &s.has_metadata, NULL, "print keys and settings", 0, 0, NULL},
        {"--json", CLI_FLAG, &s.is_json, NULL, "print JSON", 0, 0, NULL},
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga show MODEL",
        .about = "What a model is, how large, and what running it takes. A container without a "
                 "model in it shows its tensors.",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = &s.path,
        .words_min = 1,
        .words_max = 1};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if ((s.tensor == NULL) != (s.output == NULL)) {
        cli_error("--tensor NAME and -o FILE belong together");
        return CLI_USAGE;
    }
    if (!cli_find_model(&s.path)) {
        return CLI_FAILED;
    }
    raga_error err = {0};
    raga_container *c = NULL;
    if (raga_container_open(s.path, &c, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    status = s.tensor != NULL ? write_tensor(c, &s) : print_all(c, &s);
    raga_container_close(c);
    return status;
}
