#include "serve/ollama.h"

static void put(rg_buf *out, const char *key, const rg_json *value) {
    rg_buf_format(out, ",\"%s\":", key);
    rg_json_write(out, value);
}

static bool is_kind(const rg_json *value, rg_json_kind kind) {
    return value != NULL && value->kind == kind;
}

// pictures come as base64 alone
static bool put_pictures(const rg_json *images, rg_buf *out, rg_fault *fault) {
    for (size_t i = 0; i < images->n; i++) {
        const rg_json *image = &images->items[i];
        if (image->kind != RG_JSON_STRING) {
            return rg_fault_set(fault, 400, "images", "\"images\"[%zu] is no base64", i);
        }
        rg_buf url;
        rg_buf_init(&url, out->mem, 0);
        rg_buf_str(&url, RG_STR("data:image;base64,"));
        rg_buf_str(&url, image->text);
        rg_buf_str(out, RG_STR("{\"type\":\"image_url\",\"image_url\":"));
        rg_buf_json(out, rg_buf_view(&url));
        rg_buf_str(out, RG_STR("},"));
        out->is_failed = out->is_failed || url.is_failed;
        rg_buf_clear(&url);
    }
    return true;
}

static bool put_content(const rg_json *content, const rg_json *images, rg_buf *out,
                        rg_fault *fault) {
    const bool has_images = is_kind(images, RG_JSON_ARRAY) && images->n != 0;
    if (content != NULL && content->kind != RG_JSON_STRING) {
        return rg_fault_set(fault, 400, "messages", "a content is %s, it must be text",
                            rg_json_kind_name(content->kind));
    }
    rg_buf_str(out, RG_STR(",\"content\":"));
    if (!has_images) {
        rg_json_write(out, content);
        return true;
    }
    rg_buf_char(out, '[');
    if (!put_pictures(images, out, fault)) {
        return false;
    }
    rg_buf_str(out, RG_STR("{\"type\":\"text\",\"text\":"));
    rg_buf_json(out, content == NULL ? (rg_str){0} : content->text);
    rg_buf_str(out, RG_STR("}]"));
    return true;
}

static bool put_message(const rg_json *message, size_t i, rg_buf *out, rg_fault *fault) {
    const rg_json *role = rg_field_find(message, "role");
    if (!is_kind(role, RG_JSON_STRING)) {
        return rg_fault_set(fault, 400, "messages", "\"messages\"[%zu] has no \"role\"", i);
    }
    rg_buf_str(out, i == 0 ? RG_STR("{\"role\":") : RG_STR(",{\"role\":"));
    rg_json_write(out, role);
    if (!put_content(rg_field_find(message, "content"), rg_field_find(message, "images"), out,
                     fault)) {
        return false;
    }
    put(out, "reasoning_content", rg_field_find(message, "thinking"));
    put(out, "tool_calls", rg_field_find(message, "tool_calls"));
    put(out, "name", rg_field_find(message, "tool_name"));
    rg_buf_char(out, '}');
    return true;
}

static bool put_messages(const rg_json *root, rg_buf *out, rg_fault *fault) {
    const rg_json *messages = NULL;
    if (!rg_field_of(root, "messages", RG_JSON_ARRAY, &messages, fault)) {
        return false;
    }
    rg_buf_str(out, RG_STR(",\"messages\":["));
    for (size_t i = 0; messages != NULL && i < messages->n; i++) {
        if (!put_message(&messages->items[i], i, out, fault)) {
            return false;
        }
    }
    rg_buf_char(out, ']');
    return true;
}

// one prompt is a conversation of one message, or a text that goes on as it is
static bool put_prompt(const rg_json *root, rg_buf *out, rg_fault *fault) {
    static const char *const refused[] = {"suffix", "template", "context"};
    const rg_json *prompt = rg_field_find(root, "prompt");
    const rg_json *system = rg_field_find(root, "system");
    bool is_raw = false;
    if (!rg_field_bool(root, "raw", &is_raw, fault)) {
        return false;
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const rg_json *field = rg_field_find(root, refused[i]);
        if (field != NULL && (field->text.size != 0 || field->n != 0)) {
            return rg_fault_set(fault, 400, refused[i], "\"%s\" cannot be honoured", refused[i]);
        }
    }
    if (is_raw) {
        put(out, "prompt", prompt);
        return true;
    }
    rg_buf_str(out, RG_STR(",\"messages\":["));
    if (is_kind(system, RG_JSON_STRING) && system->text.size != 0) {
        rg_buf_str(out, RG_STR("{\"role\":\"system\",\"content\":"));
        rg_json_write(out, system);
        rg_buf_str(out, RG_STR("},"));
    }
    rg_buf_str(out, RG_STR("{\"role\":\"user\""));
    if (!put_content(prompt, rg_field_find(root, "images"), out, fault)) {
        return false;
    }
    rg_buf_str(out, RG_STR("}]"));
    return true;
}

/** Options under another name, or under the same. */
static const struct {
    const char *from;
    const char *to;
} alike[] = {{"temperature", "temperature"},
             {"top_k", "top_k"},
             {"top_p", "top_p"},
             {"min_p", "min_p"},
             {"typical_p", "typical_p"},
             {"seed", "seed"},
             {"stop", "stop"},
             {"repeat_penalty", "repeat_penalty"},
             {"presence_penalty", "presence_penalty"},
             {"frequency_penalty", "frequency_penalty"},
             {"mirostat", "mirostat"}};

static bool put_options(const rg_json *root, rg_buf *out, rg_fault *fault) {
    const rg_json *options = NULL;
    bool has = false;
    int64_t n = 0;
    if (!rg_field_of(root, "options", RG_JSON_OBJECT, &options, fault) ||
        !rg_field_int(options, "num_predict", -2, INT32_MAX, &has, &n, fault)) {
        return false;
    }
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++) {
        if (rg_field_find(options, alike[i].from) != NULL) {
            put(out, alike[i].to, rg_field_find(options, alike[i].from));
        }
    }
    if (has && n > 0) { // the others are: until the model ends, or the context does
        rg_buf_format(out, ",\"max_tokens\":%lld", (long long)n);
    }
    return true;
}

static bool put_format(const rg_json *root, rg_buf *out, rg_fault *fault) {
    const rg_json *format = rg_field_find(root, "format");
    if (format == NULL || (format->kind == RG_JSON_STRING && format->text.size == 0)) {
        return true;
    }
    if (format->kind == RG_JSON_OBJECT) {
        rg_buf_str(out, RG_STR(",\"response_format\":{\"type\":\"json_schema\""));
        put(out, "schema", format);
        rg_buf_char(out, '}');
        return true;
    }
    rg_buf_str(out, RG_STR(",\"response_format\":{\"type\":\"json_object\"}"));
    return (format->kind == RG_JSON_STRING && rg_str_is(format->text, "json")) ||
           rg_fault_set(fault, 400, "format", "\"format\" is neither \"json\" nor a schema");
}

static bool put_think(const rg_json *root, rg_buf *out, rg_fault *fault) {
    const rg_json *think = rg_field_find(root, "think");
    if (is_kind(think, RG_JSON_BOOL)) {
        rg_buf_format(out, ",\"chat_template_kwargs\":{\"enable_thinking\":%s}",
                      think->is_true ? "true" : "false");
    } else if (is_kind(think, RG_JSON_STRING)) {
        put(out, "reasoning_effort", think);
    } else if (think != NULL) {
        return rg_fault_set(fault, 400, "think", "\"think\" is %s, it must be true or false",
                            rg_json_kind_name(think->kind));
    }
    return true;
}

static bool translate(const rg_json *root, bool is_chat, rg_buf *out, rg_fault *fault) {
    bool is_stream = true;
    if (!rg_field_bool(root, "stream", &is_stream, fault)) {
        return false;
    }
    rg_buf_format(out, "{\"stream\":%s", is_stream ? "true" : "false");
    put(out, "model", rg_field_find(root, "model"));
    put(out, "tools", rg_field_find(root, "tools"));
    if (!(is_chat ? put_messages : put_prompt)(root, out, fault) ||
        !put_options(root, out, fault) || !put_format(root, out, fault) ||
        !put_think(root, out, fault)) {
        return false;
    }
    rg_buf_char(out, '}');
    return !out->is_failed || rg_fault_set(fault, 500, NULL, "no memory for the request");
}

bool rg_ollama_of_chat(const rg_json *root, rg_buf *out, rg_fault *fault) {
    return translate(root, true, out, fault);
}

bool rg_ollama_of_prompt(const rg_json *root, rg_buf *out, rg_fault *fault) {
    return translate(root, false, out, fault);
}
