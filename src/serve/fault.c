#include "serve/fault.h"

#include <stdio.h>

bool rg_fault_set(rg_fault *fault, unsigned status, const char *param, const char *format, ...) {
    va_list args;
    *fault = (rg_fault){.status = status};
    snprintf(fault->param, sizeof fault->param, "%s", param == NULL ? "" : param);
    va_start(args, format);
    vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    return false;
}

bool rg_fault_of(rg_fault *fault, const char *param, const raga_error *err) {
    const bool is_theirs = err->status == RAGA_E_ARG || err->status == RAGA_E_FORMAT ||
                           err->status == RAGA_E_LIMIT || err->status == RAGA_E_UNSUPPORTED ||
                           err->status == RAGA_E_NOT_FOUND;
    return rg_fault_set(fault, is_theirs ? 400 : 500, param, "%s", err->text);
}

/** How the interfaces name what went wrong. */
static const struct {
    unsigned status;
    const char *openai;
    const char *anthropic;
} kinds[] = {
    {400, "invalid_request_error", "invalid_request_error"},
    {401, "authentication_error", "authentication_error"},
    {403, "permission_error", "permission_error"},
    {404, "not_found_error", "not_found_error"},
    {413, "invalid_request_error", "request_too_large"},
    {429, "rate_limit_error", "rate_limit_error"},
    {501, "not_supported_error", "invalid_request_error"},
    {503, "unavailable_error", "overloaded_error"},
};

static const char *kind_of(unsigned status, rg_client client) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].status == status) {
            return client == RG_CLIENT_ANTHROPIC ? kinds[i].anthropic : kinds[i].openai;
        }
    }
    return status < 500 ? "invalid_request_error"
                        : (client == RG_CLIENT_ANTHROPIC ? "api_error" : "server_error");
}

rg_client rg_client_of_path(const char *path) {
    static const char messages[] = "/v1/messages";
    return strncmp(path, messages, sizeof messages - 1) == 0 ? RG_CLIENT_ANTHROPIC
           : strncmp(path, "/api/", 5) == 0                  ? RG_CLIENT_OLLAMA
                                                             : RG_CLIENT_OPENAI;
}

static void write_text_or_null(rg_buf *out, const char *text) {
    if (text == NULL || text[0] == '\0') {
        rg_buf_str(out, RG_STR("null"));
    } else {
        rg_buf_json(out, rg_str_of(text));
    }
}

void rg_fault_write(const rg_fault *fault, rg_client client, const char *request_id, rg_buf *out) {
    const rg_str text = rg_str_of(fault->text);
    const char *kind = kind_of(fault->status, client);
    switch (client) {
    case RG_CLIENT_OPENAI:
        rg_buf_str(out, RG_STR("{\"error\":{\"message\":"));
        rg_buf_json(out, text);
        rg_buf_format(out, ",\"type\":\"%s\",\"param\":", kind);
        write_text_or_null(out, fault->param);
        rg_buf_str(out, RG_STR(",\"code\":"));
        write_text_or_null(out, fault->code);
        rg_buf_str(out, RG_STR("}}"));
        break;
    case RG_CLIENT_ANTHROPIC:
        rg_buf_format(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", kind);
        rg_buf_json(out, text);
        rg_buf_format(out, "},\"request_id\":\"%s\"}", request_id);
        break;
    case RG_CLIENT_OLLAMA:
        rg_buf_str(out, RG_STR("{\"error\":"));
        rg_buf_json(out, text);
        rg_buf_char(out, '}');
        break;
    }
}
