/*
 * Training against the official implementations' numbers: loss, every gradient, ten steps twice,
 * for whole models and LoRA, on every instruction set of this machine, with one and two threads.
 */
#include "base/file.h"
#include "train/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const cases[] = {"llama3",      "qwen3",   "qwen3-tied", "qwen3-moe",
                                    "deepseek-v3", "lora-qv", "lora-all",   "lora-rslora"};

static const char *shared_path(void) {
    const char *path = getenv("RAGA_SHARED");
    return path == NULL ? "../shared" : path;
}

static void run_case(const char *name, rg_cpu cpu, unsigned n_threads, const char *out) {
    char dir[1024];
    rg_error err = {0};
    rg_check_result result;
    snprintf(dir, sizeof dir, "%s/golden-train/%s", shared_path(), name);
    if (rg_train_check(rg_mem_heap(), dir, out, cpu, n_threads, &result, &err) != RG_OK) {
        fail_msg("%s: %s", name, err.text);
    }
    printf("%-12s %-7s %u threads: %5.1f %% of the tolerance, %s\n", name, rg_cpu_level_name(cpu),
           n_threads, 100 * result.share, result.worst);
    if (!result.is_passed) {
        fail_msg("%s on %s: %s", name, rg_cpu_level_name(cpu), result.worst);
    }
}

static void every_case_is_within_its_tolerance(void **state) {
    (void)state;
    char out[] = "/tmp/raga-train-XXXXXX";
    char command[256];
    if (rg_file_kind_of(shared_path()) != RG_FILE_DIRECTORY) {
        skip();
    }
    assert_non_null(mkdtemp(out));
    const rg_cpu cpu = rg_cpu_detect();
    for (int level = RG_CPU_SCALAR; level <= RG_CPU_AVX512; level++) {
        for (unsigned n_threads = 1; n_threads <= 2; n_threads++) {
            for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                run_case(cases[i], rg_cpu_mask(cpu, (rg_cpu_level)level), n_threads, out);
            }
        }
    }
    snprintf(command, sizeof command, "rm -r %s", out);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_is_within_its_tolerance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
