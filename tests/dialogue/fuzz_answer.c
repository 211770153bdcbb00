/* Any text as an answer of any dialect, whole and byte by byte: the same comes out, and calls that
 * are told as whole have JSON objects as arguments. */
#include "dialogue/dialogue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_answer(const rg_dialect *dialect, bool is_in_thought, rg_str text, size_t step,
                        dialogue *d) {
    rg_error err = {0};
    rg_answer *a = NULL;
    dialogue_init(d);
    if (rg_answer_new(rg_mem_heap(), dialect, NULL, is_in_thought, dialogue_take, d, &a, &err) !=
        RG_OK) {
        __builtin_trap();
    }
    for (size_t at = 0; at < text.size; at += step) {
        if (rg_answer_feed(a, rg_str_slice(text, at, at + step), &err) != RG_OK) {
            __builtin_trap();
        }
    }
    if (rg_answer_finish(a, &err) != RG_OK || d->is_wrong) {
        __builtin_trap();
    }
    rg_answer_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t n = 0;
    while (rg_dialect_at(n) != NULL) {
        n++;
    }
    if (size == 0) {
        return 0;
    }
    const rg_dialect *dialect = rg_dialect_at(data[0] % n);
    const bool is_in_thought = data[0] >= 128;
    const rg_str text = {(const char *)data + 1, size - 1};
    dialogue whole, bytes;
    read_answer(dialect, is_in_thought, text, size, &whole);
    read_answer(dialect, is_in_thought, text, 1, &bytes);
    if (!rg_str_eq(rg_buf_view(&whole.reply), rg_buf_view(&bytes.reply)) ||
        !rg_str_eq(rg_buf_view(&whole.thought), rg_buf_view(&bytes.thought)) ||
        !rg_str_eq(rg_buf_view(&whole.calls), rg_buf_view(&bytes.calls)) ||
        whole.n_broken != bytes.n_broken) {
        __builtin_trap();
    }
    dialogue_clear(&whole);
    dialogue_clear(&bytes);
    return 0;
}
