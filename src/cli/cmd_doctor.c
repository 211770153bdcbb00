#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "raga/system.h"

static void print_kernels_json(void) {
    const char *dtype, *kernel;
    printf("\"kernels\":{");
    for (size_t i = 0; raga_system_kernel(i, &dtype, &kernel); i++) {
        printf("%s\"%s\":\"%s\"", i == 0 ? "" : ",", dtype, kernel);
    }
    printf("}");
}

static void print_json(const raga_system_facts *f, const raga_limits *l, bool has_edit) {
    printf("{\"version\":\"%s\",\"cpu\":{\"level\":\"%s\",\"avx2\":%s,\"avx512\":%s,\"avx512_"
           "vnni\":%s,"
           "\"avx512_bf16\":%s},\"threads\":%u,\"memory_free_bytes\":%llu,",
           raga_version(), f->cpu_level, f->has_avx2 ? "true" : "false",
           f->has_avx512 ? "true" : "false", f->has_avx512_vnni ? "true" : "false",
           f->has_avx512_bf16 ? "true" : "false", f->n_threads, (unsigned long long)f->memory_free);
    printf("\"limits\":{\"read_gb_s\":%.1f,\"int8_gop_s\":%.1f,\"bf16_gop_s\":%.1f,"
           "\"f32_gop_s\":%.1f},\"line_editing\":%s,",
           l->read_gb_s, l->int8_gop_s, l->bf16_gop_s, l->f32_gop_s, has_edit ? "true" : "false");
    print_kernels_json();
    printf("}\n");
}

static void print_text(const raga_system_facts *f, const raga_limits *l, bool has_edit) {
    const char *dtype, *kernel;
    printf("raga %s\n\nprocessor   kernels for %s (RAGA_CPU=scalar|avx2|avx512 forces a path)\n",
           raga_version(), f->cpu_level);
    printf("            avx2 %s, avx512 %s, vnni %s, bf16 %s\n", f->has_avx2 ? "yes" : "no",
           f->has_avx512 ? "yes" : "no", f->has_avx512_vnni ? "yes" : "no",
           f->has_avx512_bf16 ? "yes" : "no");
    printf("threads     %u (physical cores within affinity and quota)\n", f->n_threads);
    printf("memory      %s free\n", cli_bytes(f->memory_free));
    printf(
        "limits      read %.1f GB/s; int8 %.0f, bf16 %.0f, f32 %.0f billion operations a second\n",
        l->read_gb_s, l->int8_gop_s, l->bf16_gop_s, l->f32_gop_s);
    printf("products    ");
    for (size_t i = 0; raga_system_kernel(i, &dtype, &kernel); i++) {
        printf("%s%s: %s", i == 0 ? "" : "\n            ", dtype, kernel);
    }
    printf("\n%s", has_edit ? "" : "missing     libedit: no history and line editing in chats\n");
}

int cmd_doctor(int argc, char **argv) {
    bool is_json = false;
    // clang-format off
    const cli_option options[] = {
        {"--json", CLI_FLAG, &is_json, NULL, "print JSON", 0, 0, NULL},
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga doctor [--json]",
        .about = "Show what this machine has, the kernels chosen for it, its measured "
                 "limits, and what is missing.",
        .options = options,
        .n_options = 1};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    raga_error err = {0};
    raga_system_facts facts = {.size = sizeof facts};
    raga_limits limits = {.size = sizeof limits};
    if (raga_system_get_facts(&facts, &err) != RAGA_OK ||
        raga_system_measure(0, &limits, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
#ifdef RAGA_WITH_EDIT
    const bool has_edit = true;
#else
    const bool has_edit = false;
#endif
    (is_json ? print_json : print_text)(&facts, &limits, has_edit);
    return CLI_OK;
}
