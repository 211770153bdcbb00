#include "serve/conversation.h"

#include "base/base64.h"

#include <stdio.h>

void rg_conversation_init(rg_conversation *c, raga_model *model, rg_arena *arena) {
    *c = (rg_conversation){.model = model, .arena = arena};
    rg_buf_init(&c->text, arena->mem, 0);
}

void rg_conversation_clear(rg_conversation *c) {
    for (size_t i = 0; i < c->n_pictures; i++) {
        rg_shelf_release(c->shelf, c->pictures[i]);
    }
    rg_buf_clear(&c->text);
}

bool rg_read_ids(const raga_model *model, rg_arena *arena, const rg_json *list, const char *name,
                 const int32_t **out, rg_fault *fault) {
    const int64_t n_vocab = (int64_t)raga_tokenizer_vocab(raga_model_tokenizer(model));
    size_t bytes = 0;
    int32_t *ids =
        rg_mul_size(list->n + 1, sizeof *ids, &bytes) ? rg_arena_alloc(arena, bytes) : NULL;
    if (ids == NULL) {
        return rg_fault_set(fault, 500, name, "no memory for %zu tokens", list->n);
    }
    for (size_t i = 0; i < list->n; i++) {
        int64_t id = -1;
        if (!rg_json_i64(&list->items[i], &id) || id < 0 || id >= n_vocab) {
            return rg_fault_set(fault, 400, name, "\"%s\"[%zu] is no token: those are 0 to %lld",
                                name, i, (long long)n_vocab - 1);
        }
        ids[i] = (int32_t)id;
    }
    *out = ids;
    return true;
}

// ---- content ----

static bool bad_message(rg_fault *fault, size_t i, const char *what) {
    return rg_fault_set(fault, 400, "messages", "\"messages\"[%zu]%s", i, what);
}

static bool look(rg_conversation *c, rg_str url, size_t i, rg_fault *fault) {
    static const char mark[] = ";base64,";
    raga_error err = {0};
    if (!raga_model_sees(c->model)) {
        return bad_message(fault, i, " has a picture, and this model does not see");
    }
    const char *data =
        rg_str_starts(url, RG_STR("data:"))
            ? memmem(url.data, url.size < 256 ? url.size : 256, mark, sizeof mark - 1)
            : NULL;
    if (data == NULL) {
        return bad_message(fault, i,
                           ": a picture is a URL as \"data:image/png;base64,...\"; others are not "
                           "fetched");
    }
    if (c->n_seen++ == RG_JOB_PICTURES_MAX) {
        return rg_fault_set(fault, 400, "messages", "there are more than %d pictures",
                            RG_JOB_PICTURES_MAX);
    }
    if (c->shelf == NULL) {
        return true;
    }
    bool is_fine = true;
    const rg_str text = rg_str_slice(url, (size_t)(data - url.data) + sizeof mark - 1, url.size);
    size_t n = 0;
    char *file = rg_alloc(c->arena->mem, text.size + 1);
    if (file == NULL) {
        is_fine = rg_fault_set(fault, 500, NULL, "no memory for a picture");
    } else if (!rg_base64_decode(text, file, &n)) {
        is_fine = bad_message(fault, i, " has a picture that is no base64");
    } else if (rg_shelf_look(c->shelf, c->model, c->owner, (rg_str){file, n},
                             &c->pictures[c->n_pictures], &err) != RAGA_OK) {
        is_fine = rg_fault_of(fault, "messages", &err);
    } else {
        c->n_pictures++;
    }
    rg_free(c->arena->mem, file);
    return is_fine;
}

// one part that is a picture
static bool read_picture(rg_conversation *c, const rg_json *part, size_t i, rg_fault *fault) {
    const rg_json *url = rg_field_find(part, "image_url");
    rg_str text = {0};
    if (!rg_json_str(url, &text) && !rg_json_str(rg_field_find(url, "url"), &text)) {
        return bad_message(fault, i, " has an \"image_url\" without a \"url\"");
    }
    return look(c, text, i, fault);
}

static bool is_picture(const rg_json *part) {
    const rg_json *type = rg_json_find(part, "type");
    return type != NULL && rg_str_is(type->text, "image_url");
}

// parts: texts alone become one text, with pictures they stay a list
static bool read_parts(rg_conversation *c, const rg_json *parts, size_t i, rg_fault *fault) {
    bool has_pictures = false;
    for (size_t k = 0; k < parts->n; k++) {
        has_pictures = has_pictures || is_picture(&parts->items[k]);
    }
    rg_buf joined;
    rg_buf_init(&joined, c->arena->mem, 0);
    rg_buf_str(&c->text, has_pictures ? RG_STR("[") : RG_STR(""));
    bool is_fine = true;
    for (size_t k = 0; k < parts->n && is_fine; k++) {
        const rg_json *part = &parts->items[k];
        rg_str text = {0};
        if (has_pictures && k != 0) {
            rg_buf_char(&c->text, ',');
        }
        if (is_picture(part)) {
            rg_buf_str(&c->text, RG_STR("{\"type\":\"image\"}"));
            is_fine = read_picture(c, part, i, fault);
        } else if (!rg_json_str(rg_json_find(part, "text"), &text) &&
                   !rg_json_str(rg_json_find(part, "refusal"), &text)) {
            is_fine = bad_message(fault, i, " has a part that is neither text nor a picture");
        } else if (has_pictures) {
            rg_buf_str(&c->text, RG_STR("{\"type\":\"text\",\"text\":"));
            rg_buf_json(&c->text, text);
            rg_buf_char(&c->text, '}');
        } else {
            rg_buf_str(&joined, text);
        }
    }
    if (has_pictures) {
        rg_buf_char(&c->text, ']');
    } else {
        rg_buf_json(&c->text, rg_buf_view(&joined));
    }
    if (joined.is_failed) {
        c->text.is_failed = true;
    }
    rg_buf_clear(&joined);
    return is_fine;
}

static bool read_content(rg_conversation *c, const rg_json *message, size_t i, rg_fault *fault) {
    const rg_json *content = rg_field_find(message, "content");
    rg_str text = {0};
    rg_buf_str(&c->text, RG_STR(",\"content\":"));
    if (content == NULL) {
        (void)rg_json_str(rg_field_find(message, "refusal"), &text);
        rg_buf_json(&c->text, text);
        return true;
    }
    if (content->kind == RG_JSON_ARRAY) {
        return read_parts(c, content, i, fault);
    }
    if (!rg_json_str(content, &text)) {
        return bad_message(fault, i, ".content is neither text nor a list of parts");
    }
    rg_buf_json(&c->text, text);
    return true;
}

// ---- messages ----

// the arguments as an object, where their text is one: templates look into it
static void write_arguments(rg_conversation *c, const rg_json *arguments) {
    const rg_json *parsed = NULL;
    rg_error err = {0};
    rg_str text = {0};
    if (rg_json_str(arguments, &text)) {
        if (text.size == 0) {
            rg_buf_str(&c->text, RG_STR("{}"));
            return;
        }
        if (rg_json_parse(c->arena, text, &parsed, &err) == RG_OK &&
            parsed->kind == RG_JSON_OBJECT) {
            arguments = parsed;
        }
    }
    if (arguments == NULL) {
        rg_buf_str(&c->text, RG_STR("{}"));
    } else {
        rg_json_write(&c->text, arguments);
    }
}

static bool read_calls(rg_conversation *c, const rg_json *message, size_t i, rg_fault *fault) {
    const rg_json *calls = rg_field_find(message, "tool_calls");
    if (calls == NULL) {
        return true;
    }
    if (calls->kind != RG_JSON_ARRAY) {
        return bad_message(fault, i, ".tool_calls is no list");
    }
    if (calls->n == 0) {
        return true;
    }
    rg_buf_str(&c->text, RG_STR(",\"tool_calls\":["));
    for (size_t k = 0; k < calls->n; k++) {
        const rg_json *function = rg_field_find(&calls->items[k], "function");
        rg_str name = {0};
        rg_str id = {0};
        if (!rg_json_str(rg_field_find(function, "name"), &name)) {
            return bad_message(fault, i, " has a call without \"function\": {\"name\": ..}");
        }
        rg_buf_str(&c->text, k == 0 ? RG_STR("{") : RG_STR(",{"));
        if (rg_json_str(rg_field_find(&calls->items[k], "id"), &id)) {
            rg_buf_str(&c->text, RG_STR("\"id\":"));
            rg_buf_json(&c->text, id);
            rg_buf_char(&c->text, ',');
        }
        rg_buf_str(&c->text, RG_STR("\"type\":\"function\",\"function\":{\"name\":"));
        rg_buf_json(&c->text, name);
        rg_buf_str(&c->text, RG_STR(",\"arguments\":"));
        write_arguments(c, rg_field_find(function, "arguments"));
        rg_buf_str(&c->text, RG_STR("}}"));
    }
    rg_buf_char(&c->text, ']');
    return true;
}

// the name of the tool that a result belongs to: some templates want it, clients leave it out
static bool find_tool_name(const rg_json *messages, size_t i, rg_str id, rg_str *name) {
    while (i-- > 0) {
        const rg_json *calls = rg_field_find(&messages->items[i], "tool_calls");
        for (size_t k = 0; calls != NULL && calls->kind == RG_JSON_ARRAY && k < calls->n; k++) {
            const rg_json *own = rg_field_find(&calls->items[k], "id");
            if (own != NULL && own->kind == RG_JSON_STRING && rg_str_eq(own->text, id)) {
                return rg_json_str(
                    rg_field_find(rg_field_find(&calls->items[k], "function"), "name"), name);
            }
        }
    }
    return false;
}

static void write_text(rg_conversation *c, const char *key, const rg_str *text) {
    rg_buf_format(&c->text, ",\"%s\":", key);
    rg_buf_json(&c->text, *text);
}

/** Roles as they come, and as templates know them. */
static const struct {
    const char *role;
    const char *known;
} roles[] = {{"system", "system"},       {"developer", "system"}, {"user", "user"},
             {"assistant", "assistant"}, {"tool", "tool"},        {"function", "tool"}};

static const char *known_role(const rg_json *message) {
    rg_str role = {0};
    (void)rg_json_str(rg_field_find(message, "role"), &role);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (rg_str_is(role, roles[i].role)) {
            return roles[i].known;
        }
    }
    return NULL;
}

static bool read_message(rg_conversation *c, const rg_json *messages, size_t i, rg_fault *fault) {
    const rg_json *message = &messages->items[i];
    const char *role = known_role(message);
    rg_str text = {0};
    if (message->kind != RG_JSON_OBJECT) {
        return bad_message(fault, i, " is no object");
    }
    if (role == NULL) {
        return bad_message(fault, i,
                           ".role is none of system, developer, user, assistant and tool");
    }
    rg_buf_format(&c->text, "%s{\"role\":\"%s\"", i == 0 ? "" : ",", role);
    if (!read_content(c, message, i, fault)) {
        return false;
    }
    if (strcmp(role, "assistant") == 0) {
        if (rg_json_str(rg_field_find(message, "reasoning_content"), &text) ||
            rg_json_str(rg_field_find(message, "reasoning"), &text)) {
            write_text(c, "reasoning_content", &text);
        }
        if (!read_calls(c, message, i, fault)) {
            return false;
        }
    } else if (strcmp(role, "tool") == 0) {
        rg_str name = {0};
        const bool has_id = rg_json_str(rg_field_find(message, "tool_call_id"), &text);
        if (has_id) {
            write_text(c, "tool_call_id", &text);
        }
        if (rg_json_str(rg_field_find(message, "name"), &name) ||
            (has_id && find_tool_name(messages, i, text, &name))) {
            write_text(c, "name", &name);
        }
    }
    rg_buf_char(&c->text, '}');
    return true;
}

// an answer that the client has begun: its last message, when it is words of the assistant's
static bool is_begun(const rg_json *message, rg_str *text) {
    const char *role = known_role(message);
    return role != NULL && strcmp(role, "assistant") == 0 &&
           rg_field_find(message, "tool_calls") == NULL &&
           rg_json_str(rg_field_find(message, "content"), text);
}

static bool read_messages(rg_conversation *c, const rg_json *root, rg_fault *fault) {
    const rg_json *messages = NULL;
    rg_str begun = {0};
    if (!rg_field_of(root, "messages", RG_JSON_ARRAY, &messages, fault)) {
        return false;
    }
    if (messages == NULL || messages->n == 0) {
        return rg_fault_set(fault, 400, "messages", "there are no \"messages\"");
    }
    if (messages->n > RG_CONVERSATION_MESSAGES_MAX) {
        return rg_fault_set(fault, 400, "messages", "%zu messages, at most %d", messages->n,
                            RG_CONVERSATION_MESSAGES_MAX);
    }
    size_t n = messages->n;
    if (n > 1 && is_begun(&messages->items[n - 1], &begun)) {
        c->prefill = begun;
        n--;
    }
    rg_buf_str(&c->text, RG_STR("{\"messages\":["));
    for (size_t i = 0; i < n; i++) {
        if (!read_message(c, messages, i, fault)) {
            return false;
        }
    }
    rg_buf_char(&c->text, ']');
    return true;
}

// ---- tools ----

static const rg_json *function_of(const rg_json *tool) {
    return rg_field_find(tool, "function");
}

static bool check_tool(const rg_json *tool, size_t i, rg_fault *fault) {
    const rg_json *type = rg_field_find(tool, "type");
    if (tool->kind != RG_JSON_OBJECT || (type != NULL && !rg_str_is(type->text, "function"))) {
        return rg_fault_set(fault, 400, "tools",
                            "\"tools\"[%zu] is no {\"type\": \"function\", ..}", i);
    }
    const rg_json *name = rg_field_find(function_of(tool), "name");
    return (name != NULL && name->kind == RG_JSON_STRING && name->text.size != 0) ||
           rg_fault_set(fault, 400, "tools", "\"tools\"[%zu] has no \"function\": {\"name\": ..}",
                        i);
}

// "allowed_tools": of all tools some
static bool is_allowed(const rg_json *allowed, const rg_json *tool) {
    if (allowed == NULL) {
        return true;
    }
    for (size_t i = 0; i < allowed->n; i++) {
        const rg_json *name = rg_field_find(function_of(&allowed->items[i]), "name");
        if (name != NULL && name->kind == RG_JSON_STRING &&
            rg_str_eq(name->text, rg_field_find(function_of(tool), "name")->text)) {
            return true;
        }
    }
    return false;
}

static bool bad_choice(rg_fault *fault) {
    return rg_fault_set(fault, 400, "tool_choice",
                        "\"tool_choice\" is none of \"none\", \"auto\", \"required\", "
                        "{\"type\": \"function\", \"function\": {\"name\": ..}} and "
                        "{\"type\": \"allowed_tools\", ..}");
}

static bool read_word(rg_conversation *c, rg_str word, rg_fault *fault) {
    c->is_none = rg_str_is(word, "none");
    c->is_required = rg_str_is(word, "required") || rg_str_is(word, "any");
    return c->is_none || c->is_required || rg_str_is(word, "auto") || bad_choice(fault);
}

// @param allowed  a list; NULL: all tools are
static bool read_choice(rg_conversation *c, const rg_json *root, const rg_json **allowed,
                        rg_fault *fault) {
    const rg_json *choice = rg_field_find(root, "tool_choice");
    rg_str text = {0};
    *allowed = NULL;
    if (choice == NULL) {
        return true;
    }
    if (rg_json_str(choice, &text)) {
        return read_word(c, text, fault);
    }
    const rg_json *some = rg_field_find(choice, "allowed_tools");
    if (some != NULL) {
        *allowed = rg_field_find(some, "tools");
        if (*allowed == NULL || (*allowed)->kind != RG_JSON_ARRAY) {
            return bad_choice(fault);
        }
        return !rg_json_str(rg_field_find(some, "mode"), &text) || read_word(c, text, fault);
    }
    if (!rg_json_str(rg_field_find(rg_field_find(choice, "function"), "name"), &text)) {
        return bad_choice(fault);
    }
    c->is_required = true;
    c->tool = rg_arena_copy(c->arena, text.data, text.size);
    return c->tool != NULL || rg_fault_set(fault, 500, NULL, "no memory for a tool's name");
}

static bool read_tools(rg_conversation *c, const rg_json *root, rg_fault *fault) {
    const rg_json *tools = NULL;
    const rg_json *allowed = NULL;
    size_t n = 0;
    if (!rg_field_of(root, "tools", RG_JSON_ARRAY, &tools, fault) ||
        !read_choice(c, root, &allowed, fault)) {
        return false;
    }
    if (tools != NULL && tools->n > RG_CONVERSATION_TOOLS_MAX) {
        return rg_fault_set(fault, 400, "tools", "%zu tools, at most %d", tools->n,
                            RG_CONVERSATION_TOOLS_MAX);
    }
    rg_buf list;
    rg_buf_init(&list, c->arena->mem, 0);
    bool is_fine = true;
    for (size_t i = 0; tools != NULL && i < tools->n && is_fine; i++) {
        const rg_json *tool = &tools->items[i];
        is_fine = check_tool(tool, i, fault);
        if (is_fine && is_allowed(allowed, tool)) {
            bool is_strict = false;
            (void)rg_json_bool(rg_field_find(function_of(tool), "strict"), &is_strict);
            c->has_strict = c->has_strict || is_strict;
            rg_buf_char(&list, n++ == 0 ? '[' : ',');
            rg_json_write(&list, tool);
        }
    }
    if (is_fine && n != 0 && !c->is_none) {
        rg_buf_char(&list, ']');
        c->tools = list.is_failed ? NULL : rg_arena_copy(c->arena, list.data, list.size);
        is_fine = c->tools != NULL || rg_fault_set(fault, 500, NULL, "no memory for tools");
    }
    rg_buf_clear(&list);
    if (is_fine && c->is_required && c->tools == NULL) {
        return rg_fault_set(fault, 400, "tool_choice",
                            "\"tool_choice\" requires a call, and there are no tools");
    }
    return is_fine;
}

// ---- what the template is told besides ----

static bool read_kwargs(rg_conversation *c, const rg_json *root, rg_fault *fault) {
    const rg_json *kwargs = NULL;
    bool has = false;
    rg_str effort = {0};
    if (!rg_field_of(root, "chat_template_kwargs", RG_JSON_OBJECT, &kwargs, fault) ||
        !rg_field_text(root, "reasoning_effort", &has, &effort, fault)) {
        return false;
    }
    size_t n = 0;
    rg_buf_str(&c->text, RG_STR(",\"kwargs\":{"));
    for (size_t i = 0; kwargs != NULL && i < kwargs->n; i++) {
        rg_buf_str(&c->text, n++ == 0 ? RG_STR("") : RG_STR(","));
        rg_buf_json(&c->text, kwargs->keys[i]);
        rg_buf_char(&c->text, ':');
        rg_json_write(&c->text, &kwargs->items[i]);
    }
    if (has && rg_json_find(kwargs, "enable_thinking") == NULL) {
        const bool thinks = !rg_str_is(effort, "none") && !rg_str_is(effort, "minimal");
        rg_buf_format(&c->text, "%s\"enable_thinking\":%s", n++ == 0 ? "" : ",",
                      thinks ? "true" : "false");
    }
    if (has && rg_json_find(kwargs, "reasoning_effort") == NULL) {
        rg_buf_str(&c->text,
                   n == 0 ? RG_STR("\"reasoning_effort\":") : RG_STR(",\"reasoning_effort\":"));
        rg_buf_json(&c->text, effort);
    }
    rg_buf_char(&c->text, '}');
    return true;
}

bool rg_conversation_read(rg_conversation *c, const rg_json *root, rg_fault *fault) {
    if (!read_messages(c, root, fault) || !read_tools(c, root, fault)) {
        return false;
    }
    if (c->tools != NULL) {
        rg_buf_str(&c->text, RG_STR(",\"tools\":"));
        rg_buf_str(&c->text, rg_str_of(c->tools));
    }
    if (!read_kwargs(c, root, fault)) {
        return false;
    }
    rg_buf_char(&c->text, '}');
    return !c->text.is_failed || rg_fault_set(fault, 500, NULL, "no memory for the conversation");
}
