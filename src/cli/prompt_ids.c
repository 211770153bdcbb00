#include "cli/prompt_ids.h"

#include "cli/output.h"
#include "raga/chat.h"
#include "raga/tokenizer.h"

#include <stdlib.h>

raga_status cli_prompt_ids(const raga_model *model, const char *text, size_t size, bool is_chat,
                           int32_t **ids, size_t *n, raga_error *err) {
    if (!is_chat) {
        return raga_tokenize(raga_model_tokenizer(model), text, size,
                             RAGA_TOKENIZE_PARSE_SPECIAL | RAGA_TOKENIZE_ADD_SPECIAL, ids, n, err);
    }
    char *json = NULL;
    size_t json_size = 0;
    FILE *out = open_memstream(&json, &json_size);
    if (out == NULL) {
        err->status = RAGA_E_MEMORY;
        return RAGA_E_MEMORY;
    }
    fputs("{\"messages\":[{\"role\":\"user\",\"content\":", out);
    cli_json_text(out, text, size);
    fputs("}]}", out);
    fclose(out);
    const raga_status status = raga_chat_ids(model, json, json_size, ids, n, err);
    free(json);
    return status;
}
