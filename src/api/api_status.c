#include "api/api_internal.h"

#include <string.h>

// one list of errors: the public enum mirrors the internal one, row by row
#define API_SAME(name, text, why) _Static_assert((int)RAGA_##name == (int)RG_##name, "error lists");
RG_STATUS_LIST(API_SAME)
_Static_assert(sizeof(((raga_error *)0)->text) == RG_ERROR_BYTES, "error texts");

raga_status api_fail(raga_error *out, rg_status status, const rg_error *err) {
    if (out != NULL && status != RG_OK) {
        out->status = (raga_status)status;
        memcpy(out->text, err->text, sizeof out->text);
    }
    return (raga_status)status;
}

raga_status api_bad(raga_error *out, const char *sentence) {
    rg_error err;
    return api_fail(out, rg_fail(&err, RG_E_ARG, "%s", sentence), &err);
}

const char *raga_status_name(raga_status status) {
    return rg_status_name((rg_status)status);
}

void raga_free(void *memory) {
    rg_free(rg_mem_heap(), memory);
}

raga_status api_hand_over(rg_buf *buf, char **out, size_t *size, raga_error *error) {
    rg_error err = {0};
    (void)rg_buf_cstr(buf);
    const rg_status status = rg_buf_check(buf, "a text", &err);
    if (status != RG_OK) {
        rg_buf_clear(buf);
        return api_fail(error, status, &err);
    }
    *out = rg_buf_take(buf, size);
    return RAGA_OK;
}
