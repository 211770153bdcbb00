#include "cli/commands.h"
#include "cli/find_model.h"
#include "cli/interrupt.h"
#include "cli/look_progress.h"
#include "cli/options.h"
#include "cli/output.h"
#include "raga/quantize.h"

#include <string.h>

typedef struct quantize {
    const char *words[2]; // model, type
    const char *out;
    const char *imatrix;
    const char *output_type;
    const char *embed_type;
    cli_list tensor_types;
    int64_t n_threads;
    bool may_requantize;
    bool is_dry_run;
    bool is_json;
} quantize;

static double bits_of(uint64_t bytes, uint64_t n_values) {
    return n_values == 0 ? 0 : 8 * (double)bytes / (double)n_values;
}

static void print_json(const quantize *q, const raga_quantize_report *r) {
    printf("{\"file\":");
    if (q->out == NULL || q->is_dry_run) {
        printf("null");
    } else {
        cli_json_text(stdout, q->out, strlen(q->out));
    }
    printf(",\"parameters\":%llu,\"bytes_before\":%llu,\"bytes\":%llu,\"bits_per_weight\":%.4f,"
           "\"by_importance\":%zu,\"stand_ins\":%zu,\"types\":[",
           (unsigned long long)r->n_values, (unsigned long long)r->bytes_before,
           (unsigned long long)r->bytes, bits_of(r->bytes, r->n_values), r->n_by_importance,
           r->n_stand_ins);
    for (size_t i = 0; i < r->n_rows; i++) {
        const raga_quantize_row *row = &r->rows[i];
        printf("%s{\"type\":\"%s\",\"tensors\":%llu,\"values\":%llu,\"bytes\":%llu}",
               i == 0 ? "" : ",", row->type, (unsigned long long)row->n_tensors,
               (unsigned long long)row->n_values, (unsigned long long)row->bytes);
    }
    printf("],\"notes\":");
    cli_json_text(stdout, r->notes, strlen(r->notes));
    printf("}\n");
}

static void print_text(const quantize *q, const raga_quantize_report *r) {
    printf("type     tensors      values        size    bits\n");
    for (size_t i = 0; i < r->n_rows; i++) {
        const raga_quantize_row *row = &r->rows[i];
        printf("%-8s %7llu %11.3g %11s %7.2f\n", row->type, (unsigned long long)row->n_tensors,
               (double)row->n_values, cli_bytes(row->bytes), bits_of(row->bytes, row->n_values));
    }
    printf("all              %11.3g %11s %7.2f   (was %s)\n", (double)r->n_values,
           cli_bytes(r->bytes), bits_of(r->bytes, r->n_values), cli_bytes(r->bytes_before));
    if (q->imatrix != NULL) {
        printf("%zu tensors by importance of their columns\n", r->n_by_importance);
    }
    printf("%s\n", q->is_dry_run ? "nothing was written" : q->out);
    if (r->notes[0] != '\0') {
        fprintf(stderr, "%s%s%s", cli_dim(), r->notes, cli_plain());
    }
}

static int work(const quantize *q) {
    raga_error err = {0};
    raga_quantize_report report = {.size = sizeof report};
    const raga_quantize_options options = {.size = sizeof options,
                                           .path = q->words[0],
                                           .type = q->words[1],
                                           .out = q->out,
                                           .imatrix = q->imatrix,
                                           .tensor_types = q->tensor_types.items,
                                           .n_tensor_types = q->tensor_types.n,
                                           .output_type = q->output_type,
                                           .embed_type = q->embed_type,
                                           .may_requantize = q->may_requantize,
                                           .is_dry_run = q->is_dry_run,
                                           .n_threads = (unsigned)q->n_threads,
                                           .progress = cli_look_progress};
    cli_interrupt_flag(true);
    const raga_status status = raga_quantize(&options, &report, &err);
    cli_look_progress_end();
    if (status != RAGA_OK) {
        return status == RAGA_E_CANCELLED ? CLI_INTERRUPTED : cli_failed(&err);
    }
    (q->is_json ? print_json : print_text)(q, &report);
    raga_free(report.notes);
    return CLI_OK;
}

int cmd_quantize(int argc, char **argv) {
    quantize q = {0};
    // clang-format off
    const cli_option options[] = {
        {"--output,-o", CLI_TEXT, &q.out, "FILE", "the GGUF file to be written", 0, 0, NULL},
        {"--imatrix", CLI_TEXT, &q.imatrix, "FILE", "importance of columns (raga imatrix)", 0, 0, NULL},
        {"--tensor-type", CLI_LIST, &q.tensor_types, "PATTERN=TYPE", "for names with PATTERN in them, or matching * and ?; may be repeated", 0, 0, NULL},
        {"--output-type", CLI_TEXT, &q.output_type, "TYPE", "of the head (as the mix says)", 0, 0, NULL},
        {"--embed-type", CLI_TEXT, &q.embed_type, "TYPE", "of the token embedding (as the mix says)", 0, 0, NULL},
        {"--requantize", CLI_FLAG, &q.may_requantize, NULL, "allow tensors that are quantized already", 0, 0, NULL},
        {"--dry-run", CLI_FLAG, &q.is_dry_run, NULL, "say what would become what, write nothing", 0, 0, NULL},
        {"--threads,-t", CLI_INT, &q.n_threads, "N", "threads (physical cores)", 1, 1024, NULL},
        {"--json", CLI_FLAG, &q.is_json, NULL, "print JSON", 0, 0, NULL},
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga quantize MODEL TYPE -o FILE.gguf",
        .about = "Write a model as a GGUF file of a smaller type. MODEL is a GGUF file, or a "
                 "Hugging Face directory, which is converted with tokenizer and template.\n"
                 "TYPE: f32 f16 bf16 q8_0 q6_k q5_k_m q5_k_s q5_1 q5_0 q4_k_m q4_k_s q4_1 q4_0 "
                 "iq4_nl iq4_xs mxfp4 q3_k_l q3_k_m q3_k_s q2_k q2_k_s (docs/quantize.md).",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = q.words,
        .words_min = 2,
        .words_max = 2,
        .examples = "  raga quantize Qwen3-0.6B q4_k_m -o qwen3-0.6b-q4_k_m.gguf\n"
                    "  raga quantize model-bf16.gguf iq4_xs --imatrix model.imatrix.gguf -o "
                    "model-iq4_xs.gguf\n"
                    "  raga quantize model q4_k_m --tensor-type \"ffn_down=q6_k\" --dry-run\n"};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (q.out == NULL && !q.is_dry_run) {
        cli_error("-o is needed: raga quantize %s %s -o FILE.gguf", q.words[0], q.words[1]);
        return CLI_USAGE;
    }
    if (!cli_find_model(&q.words[0])) {
        return CLI_FAILED;
    }
    return work(&q);
}
