#include "serve/anthropic.h"

#include <stdio.h>

static bool bad_block(rg_fault *fault, size_t i, const char *what) {
    return rg_fault_set(fault, 400, "messages", "\"messages\"[%zu]%s", i, what);
}

static bool is_type(const rg_json *block, const char *type) {
    const rg_json *own = rg_field_find(block, "type");
    return own != NULL && own->kind == RG_JSON_STRING && rg_str_is(own->text, type);
}

static void put_comma(rg_buf *out, bool *is_first) {
    rg_buf_str(out, *is_first ? RG_STR("") : RG_STR(","));
    *is_first = false;
}

static void put_text(rg_buf *out, const char *key, const rg_json *value) {
    rg_buf_format(out, "\"%s\":", key);
    rg_json_write(out, value);
}

// ---- blocks of people, and of tools ----

static bool put_picture(const rg_json *block, size_t i, rg_buf *out, rg_fault *fault) {
    const rg_json *source = rg_field_find(block, "source");
    rg_str data = {0};
    rg_str type = {0};
    if (!is_type(source, "base64") || !rg_json_str(rg_field_find(source, "data"), &data) ||
        !rg_json_str(rg_field_find(source, "media_type"), &type) || type.size > 64) {
        return bad_block(fault, i,
                         ": a picture has a \"source\" of the type base64; others are not fetched");
    }
    rg_buf url;
    rg_buf_init(&url, out->mem, 0);
    rg_buf_str(&url, RG_STR("data:"));
    rg_buf_str(&url, type);
    rg_buf_str(&url, RG_STR(";base64,"));
    rg_buf_str(&url, data);
    rg_buf_str(out, RG_STR("{\"type\":\"image_url\",\"image_url\":{\"url\":"));
    rg_buf_json(out, rg_buf_view(&url));
    rg_buf_str(out, RG_STR("}}"));
    out->is_failed = out->is_failed || url.is_failed;
    rg_buf_clear(&url);
    return true;
}

// a block that people and tools write: text, a picture, a document that is text
static bool put_part(const rg_json *block, size_t i, rg_buf *out, rg_fault *fault) {
    const rg_json *source = rg_field_find(block, "source");
    const rg_json *text = NULL;
    if (is_type(block, "image")) {
        return put_picture(block, i, out, fault);
    }
    if (is_type(block, "text")) {
        text = rg_field_find(block, "text");
    } else if (is_type(block, "document") && is_type(source, "text")) {
        text = rg_field_find(source, "data");
    }
    if (text == NULL || text->kind != RG_JSON_STRING) {
        return bad_block(fault, i, " has a block that is neither text nor a picture");
    }
    rg_buf_str(out, RG_STR("{\"type\":\"text\","));
    put_text(out, "text", text);
    rg_buf_char(out, '}');
    return true;
}

// "content": a text as it is, or a list of parts, leaving out results of tools
static bool put_content(const rg_json *content, size_t i, rg_buf *out, rg_fault *fault) {
    bool is_first = true;
    rg_buf_str(out, RG_STR(",\"content\":"));
    if (content == NULL || content->kind == RG_JSON_STRING) {
        rg_json_write(out, content);
        return true;
    }
    if (content->kind != RG_JSON_ARRAY) {
        return bad_block(fault, i, ".content is neither text nor a list of blocks");
    }
    rg_buf_char(out, '[');
    for (size_t k = 0; k < content->n; k++) {
        if (is_type(&content->items[k], "tool_result")) {
            continue;
        }
        put_comma(out, &is_first);
        if (!put_part(&content->items[k], i, out, fault)) {
            return false;
        }
    }
    rg_buf_char(out, ']');
    return true;
}

// results are messages of their own, before what else a person says
static bool put_results(const rg_json *content, size_t i, bool *is_first, size_t *n_other,
                        rg_buf *out, rg_fault *fault) {
    *n_other = 1;
    if (content == NULL || content->kind != RG_JSON_ARRAY) {
        return true;
    }
    *n_other = content->n;
    for (size_t k = 0; k < content->n; k++) {
        const rg_json *block = &content->items[k];
        if (!is_type(block, "tool_result")) {
            continue;
        }
        const rg_json *id = rg_field_find(block, "tool_use_id");
        if (id == NULL || id->kind != RG_JSON_STRING) {
            return bad_block(fault, i, " has a tool_result without its \"tool_use_id\"");
        }
        put_comma(out, is_first);
        rg_buf_str(out, RG_STR("{\"role\":\"tool\","));
        put_text(out, "tool_call_id", id);
        if (!put_content(rg_field_find(block, "content"), i, out, fault)) {
            return false;
        }
        rg_buf_char(out, '}');
        --*n_other;
    }
    return true;
}

// ---- blocks of the model ----

static bool put_call(const rg_json *block, size_t i, rg_buf *out, rg_fault *fault) {
    const rg_json *name = rg_field_find(block, "name");
    const rg_json *input = rg_field_find(block, "input");
    if (name == NULL || name->kind != RG_JSON_STRING) {
        return bad_block(fault, i, " has a tool_use without a \"name\"");
    }
    rg_buf_char(out, '{');
    put_text(out, "id", rg_field_find(block, "id"));
    rg_buf_str(out, RG_STR(",\"function\":{"));
    put_text(out, "name", name);
    rg_buf_str(out, RG_STR(",\"arguments\":"));
    if (input == NULL) {
        rg_buf_str(out, RG_STR("{}"));
    } else {
        rg_json_write(out, input);
    }
    rg_buf_str(out, RG_STR("}}"));
    return true;
}

/** What the blocks of an answer come to. */
typedef struct said {
    rg_buf words, thought, calls;
} said;

static bool read_block(const rg_json *block, size_t i, said *s, rg_fault *fault) {
    rg_str text = {0};
    if (is_type(block, "text") && rg_json_str(rg_field_find(block, "text"), &text)) {
        rg_buf_str(&s->words, text);
    } else if (is_type(block, "thinking") && rg_json_str(rg_field_find(block, "thinking"), &text)) {
        rg_buf_str(&s->thought, text);
    } else if (is_type(block, "tool_use")) {
        rg_buf_str(&s->calls, s->calls.size == 0 ? RG_STR("") : RG_STR(","));
        return put_call(block, i, &s->calls, fault);
    } else if (!is_type(block, "redacted_thinking")) {
        return bad_block(fault, i, " has a block that no answer has");
    }
    return true;
}

static bool put_answer(const rg_json *content, size_t i, rg_buf *out, rg_fault *fault) {
    said s;
    bool is_fine = true;
    if (content == NULL || content->kind != RG_JSON_ARRAY) {
        return put_content(content, i, out, fault);
    }
    rg_buf_init(&s.words, out->mem, 0);
    rg_buf_init(&s.thought, out->mem, 0);
    rg_buf_init(&s.calls, out->mem, 0);
    for (size_t k = 0; k < content->n && is_fine; k++) {
        is_fine = read_block(&content->items[k], i, &s, fault);
    }
    rg_buf_str(out, RG_STR(",\"content\":"));
    rg_buf_json(out, rg_buf_view(&s.words));
    if (s.thought.size != 0) {
        rg_buf_str(out, RG_STR(",\"reasoning_content\":"));
        rg_buf_json(out, rg_buf_view(&s.thought));
    }
    if (s.calls.size != 0) {
        rg_buf_str(out, RG_STR(",\"tool_calls\":["));
        rg_buf_str(out, rg_buf_view(&s.calls));
        rg_buf_char(out, ']');
    }
    out->is_failed =
        out->is_failed || s.words.is_failed || s.thought.is_failed || s.calls.is_failed;
    rg_buf_clear(&s.words);
    rg_buf_clear(&s.thought);
    rg_buf_clear(&s.calls);
    return is_fine;
}

// ---- messages ----

static bool put_message(const rg_json *message, size_t i, bool *is_first, rg_buf *out,
                        rg_fault *fault) {
    const rg_json *content = rg_field_find(message, "content");
    rg_str role = {0};
    size_t n_other = 0;
    (void)rg_json_str(rg_field_find(message, "role"), &role);
    const bool is_answer = rg_str_is(role, "assistant");
    if (!is_answer && !rg_str_is(role, "user") && !rg_str_is(role, "system")) {
        return bad_block(fault, i, ".role is neither user nor assistant");
    }
    if (content == NULL) {
        return bad_block(fault, i, " has no \"content\"");
    }
    if (!is_answer && !put_results(content, i, is_first, &n_other, out, fault)) {
        return false;
    }
    if (!is_answer && n_other == 0) {
        return true; // results, and nothing besides
    }
    put_comma(out, is_first);
    rg_buf_format(out, "{\"role\":\"%.*s\"", RG_FMT(role));
    if (!(is_answer ? put_answer : put_content)(content, i, out, fault)) {
        return false;
    }
    rg_buf_char(out, '}');
    return true;
}

static bool put_messages(const rg_json *root, rg_buf *out, rg_fault *fault) {
    const rg_json *system = rg_field_find(root, "system");
    const rg_json *messages = NULL;
    bool is_first = true;
    if (!rg_field_of(root, "messages", RG_JSON_ARRAY, &messages, fault)) {
        return false;
    }
    if (messages == NULL || messages->n == 0) {
        return rg_fault_set(fault, 400, "messages", "there are no \"messages\"");
    }
    rg_buf_str(out, RG_STR("\"messages\":["));
    if (system != NULL) {
        if (system->kind != RG_JSON_STRING && system->kind != RG_JSON_ARRAY) {
            return rg_fault_set(fault, 400, "system",
                                "\"system\" is neither text nor a list of blocks");
        }
        put_comma(out, &is_first);
        rg_buf_str(out, RG_STR("{\"role\":\"system\""));
        if (!put_content(system, 0, out, fault)) {
            return false;
        }
        rg_buf_char(out, '}');
    }
    for (size_t i = 0; i < messages->n; i++) {
        if (!put_message(&messages->items[i], i, &is_first, out, fault)) {
            return false;
        }
    }
    rg_buf_char(out, ']');
    return true;
}

// ---- tools ----

static bool put_tools(const rg_json *root, rg_buf *out, rg_fault *fault) {
    const rg_json *tools = NULL;
    if (!rg_field_of(root, "tools", RG_JSON_ARRAY, &tools, fault)) {
        return false;
    }
    if (tools == NULL || tools->n == 0) {
        return true;
    }
    rg_buf_str(out, RG_STR(",\"tools\":["));
    for (size_t i = 0; i < tools->n; i++) {
        const rg_json *tool = &tools->items[i];
        const rg_json *schema = rg_field_find(tool, "input_schema");
        rg_str name = {0};
        (void)rg_json_str(rg_field_find(tool, "name"), &name);
        if (rg_field_find(tool, "type") != NULL && !is_type(tool, "custom")) {
            return rg_fault_set(fault, 400, "tools",
                                "the tool \"%.*s\" would run on the server: none does here",
                                (int)(name.size > 64 ? 64 : name.size), name.data);
        }
        rg_buf_str(out, i == 0 ? RG_STR("{") : RG_STR(",{"));
        rg_buf_str(out, RG_STR("\"type\":\"function\",\"function\":{"));
        put_text(out, "name", rg_field_find(tool, "name"));
        if (rg_field_find(tool, "description") != NULL) {
            rg_buf_char(out, ',');
            put_text(out, "description", rg_field_find(tool, "description"));
        }
        if (schema != NULL) {
            rg_buf_char(out, ',');
            put_text(out, "parameters", schema);
        }
        rg_buf_char(out, ',');
        put_text(out, "strict", rg_field_find(tool, "strict"));
        rg_buf_str(out, RG_STR("}}"));
    }
    rg_buf_char(out, ']');
    return true;
}

static bool put_choice(const rg_json *root, rg_buf *out, rg_fault *fault) {
    const rg_json *choice = NULL;
    bool is_single = false;
    if (!rg_field_of(root, "tool_choice", RG_JSON_OBJECT, &choice, fault) ||
        !rg_field_bool(choice, "disable_parallel_tool_use", &is_single, fault)) {
        return false;
    }
    if (is_single) {
        rg_buf_str(out, RG_STR(",\"parallel_tool_calls\":false"));
    }
    if (is_type(choice, "tool")) {
        rg_buf_str(out, RG_STR(",\"tool_choice\":{\"type\":\"function\",\"function\":{"));
        put_text(out, "name", rg_field_find(choice, "name"));
        rg_buf_str(out, RG_STR("}}"));
    } else if (choice != NULL) {
        rg_buf_char(out, ',');
        put_text(out, "tool_choice", rg_field_find(choice, "type"));
    }
    return true;
}

// ---- the rest ----

/** Fields that mean the same under another name, or under the same. */
static const struct {
    const char *from;
    const char *to;
} alike[] = {{"model", "model"},  {"max_tokens", "max_tokens"}, {"temperature", "temperature"},
             {"top_p", "top_p"},  {"top_k", "top_k"},           {"stop_sequences", "stop"},
             {"stream", "stream"}};

static bool put_thinking(const rg_json *root, rg_buf *out, rg_fault *fault) {
    const rg_json *thinking = NULL;
    const rg_json *output = NULL;
    const rg_json *format = NULL;
    if (!rg_field_of(root, "thinking", RG_JSON_OBJECT, &thinking, fault) ||
        !rg_field_of(root, "output_config", RG_JSON_OBJECT, &output, fault) ||
        !rg_field_of(output, "format", RG_JSON_OBJECT, &format, fault)) {
        return false;
    }
    if (is_type(thinking, "enabled") || is_type(thinking, "disabled")) {
        rg_buf_format(out, ",\"chat_template_kwargs\":{\"enable_thinking\":%s}",
                      is_type(thinking, "enabled") ? "true" : "false");
    }
    if (format != NULL) {
        rg_buf_char(out, ',');
        put_text(out, "response_format", format);
    }
    if (rg_field_find(output, "effort") != NULL) {
        rg_buf_char(out, ',');
        put_text(out, "reasoning_effort", rg_field_find(output, "effort"));
    }
    return true;
}

bool rg_anthropic_translate(const rg_json *root, rg_buf *out, rg_fault *fault) {
    const rg_json *servers = NULL;
    if (!rg_field_of(root, "mcp_servers", RG_JSON_ARRAY, &servers, fault)) {
        return false;
    }
    if (servers != NULL && servers->n != 0) {
        return rg_fault_set(fault, 400, "mcp_servers",
                            "\"mcp_servers\" cannot be honoured: tools run with the client");
    }
    rg_buf_char(out, '{');
    if (!put_messages(root, out, fault) || !put_tools(root, out, fault) ||
        !put_choice(root, out, fault) || !put_thinking(root, out, fault)) {
        return false;
    }
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++) {
        if (rg_field_find(root, alike[i].from) != NULL) {
            rg_buf_char(out, ',');
            put_text(out, alike[i].to, rg_field_find(root, alike[i].from));
        }
    }
    rg_buf_char(out, '}');
    return !out->is_failed || rg_fault_set(fault, 500, NULL, "no memory for the request");
}
