/* Any bytes as JSON: a tree or a sentence; what was read and written is read again the same. */
#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rg_arena one, two;
    rg_buf first, second;
    rg_error err;
    const rg_json *json = NULL;
    rg_arena_init(&one, rg_mem_heap(), 1 << 26);
    rg_arena_init(&two, rg_mem_heap(), 1 << 26);
    rg_buf_init(&first, rg_mem_heap(), 0);
    rg_buf_init(&second, rg_mem_heap(), 0);
    if (rg_json_parse(&one, (rg_str){(const char *)data, size}, &json, &err) == RG_OK) {
        rg_json_write(&first, json);
        if (rg_json_parse(&two, rg_buf_view(&first), &json, &err) != RG_OK) {
            __builtin_trap();
        }
        rg_json_write(&second, json);
        if (!rg_str_eq(rg_buf_view(&first), rg_buf_view(&second))) {
            __builtin_trap();
        }
    }
    rg_buf_clear(&first);
    rg_buf_clear(&second);
    rg_arena_clear(&one);
    rg_arena_clear(&two);
    return 0;
}
