/* The tokenizers of the reference folder. Include after cmocka. */
#pragma once

#include "support/shared.h"
#include "token/tokenizer.h"

/** A family's folder, opened. */
static inline rg_tokenizer *open_family(const char *family) {
    char path[1024];
    rg_error err = {0};
    rg_tokenizer *tok = NULL;
    snprintf(path, sizeof path, "%s/tokenizers/%s", shared_folder(), family);
    if (rg_tokenizer_open(rg_mem_heap(), path, &tok, &err) != RG_OK) {
        fail_msg("%s: %s", family, err.text);
    }
    return tok;
}

/** deepseek-r1: the deepseek-v3 file with two ids renamed. */
static inline rg_tokenizer *open_deepseek_r1(void) {
    const struct {
        const char *from, *to;
    } renames[] = {{"<\xEF\xBD\x9Cplace\xE2\x96\x81holder\xE2\x96\x81no\xE2\x96\x81"
                    "798\xEF\xBD\x9C>",
                    "<think>"},
                   {"<\xEF\xBD\x9Cplace\xE2\x96\x81holder\xE2\x96\x81no\xE2\x96\x81"
                    "799\xEF\xBD\x9C>",
                    "</think>"}};
    rg_str text = shared_read("tokenizers/deepseek-v3/tokenizer.json");
    assert_non_null(text.data);
    for (size_t i = 0; i < 2; i++) {
        char *at = memmem(text.data, text.size, renames[i].from, strlen(renames[i].from));
        if (at == NULL) {
            fail_msg("the placeholder of id %zu is not in the file", 128798 + i);
        }
        // shorter than the old name: the rest of the quoted string becomes white space behind it
        const size_t old = strlen(renames[i].from);
        const size_t new_size = strlen(renames[i].to);
        memcpy(at, renames[i].to, new_size);
        at[new_size] = '"';
        memset(at + new_size + 1, ' ', old - new_size);
    }
    rg_error err = {0};
    rg_tokenizer *tok = NULL;
    if (rg_tokenizer_of_json(rg_mem_heap(), text, (rg_str){0}, &tok, &err) != RG_OK) {
        fail_msg("%s", err.text);
    }
    rg_free(rg_mem_heap(), (void *)text.data);
    return tok;
}
