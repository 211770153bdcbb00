/* The families, one line each. */
#include "model/arch.h"

#include <ctype.h>

const rg_arch *const rg_archs[] = {
    &rg_arch_llama,
    &rg_arch_llama4,
    &rg_arch_qwen2,
    &rg_arch_qwen2_moe,
    &rg_arch_qwen3,
    &rg_arch_qwen3_moe,
    &rg_arch_qwen3_next,
    &rg_arch_qwen35,
    &rg_arch_qwen35_moe,
    &rg_arch_deepseek2,
    &rg_arch_deepseek32,
    &rg_arch_deepseek4,
    &rg_arch_kimi_linear,
    NULL,
};

const rg_arch *rg_arch_find_gguf(rg_str name) {
    for (size_t i = 0; rg_archs[i] != NULL; i++) {
        if (rg_str_is(name, rg_archs[i]->name)) {
            return rg_archs[i];
        }
    }
    return NULL;
}

const rg_arch *rg_arch_find_hf(rg_str class_name) {
    for (size_t i = 0; rg_archs[i] != NULL; i++) {
        for (const char *const *c = rg_archs[i]->hf_classes; *c != NULL; c++) {
            if (rg_str_is(class_name, *c)) {
                return rg_archs[i];
            }
        }
    }
    return NULL;
}

// Levenshtein distance of the first 64 bytes, letters compared without case
static unsigned distance(rg_str a, const char *b) {
    enum { LONGEST = 64 };
    unsigned row[LONGEST + 1];
    const size_t n = strlen(b) < LONGEST ? strlen(b) : LONGEST;
    const size_t m = a.size < LONGEST ? a.size : LONGEST;
    for (unsigned j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < m; i++) {
        unsigned corner = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < n; j++) {
            const bool is_same = tolower((unsigned char)a.data[i]) == tolower((unsigned char)b[j]);
            const unsigned change = corner + !is_same;
            const unsigned drop = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            corner = row[j + 1];
            row[j + 1] = change < drop ? change : drop;
        }
    }
    return row[n];
}

const char *rg_arch_nearest(rg_str name) {
    const char *best = rg_archs[0]->name;
    for (size_t i = 0; rg_archs[i] != NULL; i++) {
        best = distance(name, rg_archs[i]->name) < distance(name, best) ? rg_archs[i]->name : best;
        for (const char *const *c = rg_archs[i]->hf_classes; *c != NULL; c++) {
            best = distance(name, *c) < distance(name, best) ? *c : best;
        }
    }
    return best;
}
