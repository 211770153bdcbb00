/* A training case with known results: run it from its inputs alone and compare. */
#pragma once

#include "base/cpu.h"
#include "base/mem.h"

#define RG_CHECK_FILE_MAX (64u << 20) // bytes of golden.json

/** The verdict of one case. */
typedef struct rg_check_result {
    bool is_passed;
    char worst[256]; // the comparison that used most of its tolerance, and how much
    double share;    // of the tolerance that it used
} rg_check_result;

/**
 * Run the case in `dir` (golden.json, and the files that it names) and write out_dir/report.json,
 * grads.safetensors and final-NAME.safetensors (LoRA: final-NAME/ in PEFT's layout).
 * Only inputs are read before the results are written; expected values are read for the verdict.
 * @param n_threads  0: all
 * Errors: RG_E_FORMAT naming file and field; RG_E_IO; those of training.
 */
rg_status rg_train_check(const rg_mem *mem, const char *dir, const char *out_dir, rg_cpu cpu,
                         unsigned n_threads, rg_check_result *result, rg_error *err) RG_MUST_CHECK;
