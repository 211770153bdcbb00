/* Any bytes as a safetensors file: parsed or refused; every tensor of an accepted one can be read.
 */
#include "format/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rg_safetensors *st = NULL;
    rg_error err;
    if (rg_safetensors_parse(rg_mem_heap(), (rg_bytes){data, size}, &st, &err) != RG_OK) {
        return 0;
    }
    for (size_t i = 0; i < rg_safetensors_count(st); i++) {
        const rg_tensor *t = rg_safetensors_at(st, i);
        float value;
        if (t->bytes != 0) {
            const rg_dtype_info *info = rg_dtype_get(t->dtype);
            info->to_float(&value, (const char *)t->data + t->bytes - info->block_bytes, 1);
        }
    }
    rg_safetensors_close(st);
    return 0;
}
