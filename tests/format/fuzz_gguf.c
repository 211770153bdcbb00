/* Any bytes as a GGUF file: parsed or refused; what is accepted can be walked. */
#include "format/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rg_gguf *g = NULL;
    rg_error err;
    if (rg_gguf_parse(rg_mem_heap(), (rg_bytes){data, size}, &g, &err) != RG_OK) {
        return 0;
    }
    for (size_t i = 0; i < rg_gguf_n_pairs(g); i++) {
        const rg_gguf_pair *pair = rg_gguf_pair_at(g, i);
        size_t at = 0;
        rg_str text;
        while (pair->type == RG_GGUF_ARRAY && pair->item_type == RG_GGUF_STRING &&
               rg_gguf_next_str(pair, &at, &text)) {
        }
        for (uint64_t k = 0; pair->type == RG_GGUF_ARRAY && pair->item_type != RG_GGUF_STRING &&
                             k < pair->n_items && k < 64;
             k++) {
            volatile double item = rg_gguf_item_f64(pair, k);
            (void)item;
        }
    }
    for (size_t i = 0; i < rg_gguf_n_tensors(g); i++) {
        const rg_tensor *t = rg_gguf_tensor_at(g, i);
        const rg_dtype_info *info = rg_dtype_get(t->dtype);
        float values[256];
        if (t->bytes >= info->block_bytes && info->block <= 256) {
            info->to_float(values, (const char *)t->data + t->bytes - info->block_bytes,
                           info->block);
        }
    }
    rg_gguf_close(g);
    return 0;
}
