#include "base/status.h"

#include <stdio.h>
#include <string.h>

rg_status rg_fail(rg_error *err, rg_status status, const char *format, ...) {
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err->status = status;
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return status;
}

void rg_error_prefix(rg_error *err, const char *format, ...) {
    if (err == NULL) {
        return;
    }
    char old[RG_ERROR_BYTES];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->text) {
        // what does not fit is cut, the beginning of the sentence is what matters
        snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", old);
    }
}

const char *rg_status_name(rg_status status) {
    static const char *const names[] = {
#define RG_STATUS_NAME(name, text, why) text,
        RG_STATUS_LIST(RG_STATUS_NAME)
#undef RG_STATUS_NAME
    };
    return (unsigned)status < RG_STATUS_COUNT ? names[status] : "unknown";
}
