#include "chat/chat_format.h"

enum { TOKENS = 4, VARS_MAX = 256 };

static const char *const token_names[TOKENS] = {"bos_token", "eos_token", "unk_token", "pad_token"};

struct rg_chat_format {
    const rg_mem *mem;
    rg_arena arena; // special tokens
    rg_template *main;
    rg_template *with_tools; // NULL: main
    rg_json tokens[TOKENS];  // STRING, or NULL: there is none
    const rg_dialect *dialect;
    char warning[RG_ERROR_BYTES];
};

// for models that bring no template
static const char chatml[] =
    "{%- for message in messages -%}\n"
    "{{- '<|im_start|>' ~ message.role ~ '\\n' -}}\n"
    "{%- if message.content is string -%}{{- message.content -}}\n"
    "{%- elif message.content is iterable -%}\n"
    "{%- for part in message.content -%}\n"
    "{%- if part.type == 'image' -%}{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}\n"
    "{%- else -%}{{- part.text | default('') -}}{%- endif -%}\n"
    "{%- endfor -%}\n"
    "{%- endif -%}\n"
    "{{- '<|im_end|>\\n' -}}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}\n";

/* A token of the config: "text" or {"content": "text"}. */
static rg_str config_token(const rg_json *config, const char *name) {
    rg_str text = {0};
    const rg_json *token = rg_json_find(config, name);
    if (!rg_json_str(token, &text)) {
        rg_json_str(rg_json_find(token, "content"), &text);
    }
    return text;
}

static rg_status keep_tokens(rg_chat_format *format, const rg_chat_model *model, rg_error *err) {
    const rg_str given[TOKENS] = {model->bos, model->eos, model->unk, model->pad};
    for (size_t i = 0; i < TOKENS; i++) {
        const rg_str text =
            given[i].data != NULL ? given[i] : config_token(model->config, token_names[i]);
        if (text.data == NULL) {
            continue;
        }
        const char *copy = rg_arena_copy(&format->arena, text.data, text.size);
        if (copy == NULL) {
            return rg_fail(err, RG_E_MEMORY, "no memory for a special token");
        }
        format->tokens[i] = (rg_json){.kind = RG_JSON_STRING, .text = {copy, text.size}};
    }
    return RG_OK;
}

/* The templates of the model in one list; returns their number. */
static size_t list_sources(const rg_chat_model *model, rg_chat_source out[RG_CHAT_TEMPLATES_MAX]) {
    size_t n = 0;
    for (size_t i = 0; i < model->n_sources && n < RG_CHAT_TEMPLATES_MAX; i++) {
        out[n++] = model->sources[i];
    }
    const rg_json *given = rg_json_find(model->config, "chat_template");
    rg_str text = {0};
    if (rg_json_str(given, &text) && n < RG_CHAT_TEMPLATES_MAX) {
        out[n++] = (rg_chat_source){.text = text};
    }
    for (size_t i = 0; n < RG_CHAT_TEMPLATES_MAX; i++) {
        const rg_json *item = rg_json_at(given, i);
        rg_chat_source source = {0};
        if (item == NULL) {
            break;
        }
        if (rg_json_str(rg_json_find(item, "name"), &source.name) &&
            rg_json_str(rg_json_find(item, "template"), &source.text)) {
            out[n++] = source;
        }
    }
    return n;
}

/* Parse the first template of a name. What is wrong with it becomes the warning. */
static rg_status parse_named(rg_chat_format *format, const rg_chat_source *sources, size_t n,
                             const char *name, rg_template **out, rg_error *err) {
    for (size_t i = 0; i < n; i++) {
        const bool is_default = sources[i].name.size == 0 && rg_str_is(RG_STR("default"), name);
        if (!is_default && !rg_str_is(sources[i].name, name)) {
            continue;
        }
        rg_error why = {0};
        const rg_status status = rg_template_new(format->mem, sources[i].text, out, &why);
        if (status == RG_OK && format->dialect == rg_dialect_at(0)) {
            format->dialect = rg_dialect_of_template(sources[i].text);
        }
        if (status == RG_E_MEMORY) {
            return rg_fail(err, status, "%s", why.text);
        }
        if (status != RG_OK) {
            rg_error_prefix(&why, "the model's chat template '%s' is not used", name);
            memcpy(format->warning, why.text, sizeof format->warning);
        }
        return RG_OK;
    }
    return RG_OK;
}

rg_status rg_chat_format_new(const rg_mem *mem, const rg_chat_model *model, rg_chat_format **out,
                             rg_error *err) {
    rg_status status = RG_OK;
    rg_chat_source sources[RG_CHAT_TEMPLATES_MAX];
    const size_t n = list_sources(model, sources);
    rg_chat_format *format = rg_new(mem, sizeof *format);
    if (format == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a chat format");
        goto done;
    }
    format->mem = mem;
    format->dialect = rg_dialect_at(0);
    rg_arena_init(&format->arena, mem, 0);
    RG_TRY(keep_tokens(format, model, err));
    RG_TRY(parse_named(format, sources, n, "tool_use", &format->with_tools, err));
    RG_TRY(parse_named(format, sources, n, "default", &format->main, err));
    if (format->main == NULL) {
        if (format->warning[0] == '\0') {
            static const char text[] = "the model brings no chat template: ChatML is used";
            memcpy(format->warning, text, sizeof text);
        }
        RG_TRY(rg_template_new(mem, rg_str_of(chatml), &format->main, err));
    }
    *out = format;
    format = NULL;

done:
    rg_chat_format_free(format);
    return status;
}

void rg_chat_format_free(rg_chat_format *format) {
    if (format == NULL) {
        return;
    }
    rg_template_free(format->main);
    rg_template_free(format->with_tools);
    rg_arena_clear(&format->arena);
    rg_free(format->mem, format);
}

const rg_dialect *rg_chat_format_dialect(const rg_chat_format *format) {
    return format->dialect;
}

const char *rg_chat_format_warning(const rg_chat_format *format) {
    return format->warning[0] == '\0' ? NULL : format->warning;
}

static const rg_template *choose(const rg_chat_format *format, bool has_tools) {
    return has_tools && format->with_tools != NULL ? format->with_tools : format->main;
}

bool rg_chat_format_reads(const rg_chat_format *format, bool has_tools, const char *name) {
    return rg_template_reads(choose(format, has_tools), name);
}

rg_status rg_chat_format_render(const rg_chat_format *format, const rg_chat_request *request,
                                rg_rendered *out, rg_error *err) {
    const rg_json *kwargs = request->kwargs;
    const rg_json prompt = {.kind = RG_JSON_BOOL, .is_true = request->add_generation_prompt};
    rg_template_var vars[VARS_MAX];
    size_t n = 0;

    *out = (rg_rendered){0};
    if (request->messages == NULL || request->messages->kind != RG_JSON_ARRAY) {
        return rg_fail(err, RG_E_ARG, "messages is no array");
    }
    if (kwargs != NULL && kwargs->kind != RG_JSON_OBJECT) {
        return rg_fail(err, RG_E_ARG, "the template's keywords are no object");
    }
    for (size_t i = 0; i < TOKENS; i++) {
        if (format->tokens[i].kind == RG_JSON_STRING) {
            vars[n++] = (rg_template_var){
                .name = rg_str_of(token_names[i]), .json = &format->tokens[i], .is_trusted = true};
        }
    }
    vars[n++] = (rg_template_var){.name = RG_STR("messages"),
                                  .json = request->messages,
                                  .sources = request->sources,
                                  .has_roles = true};
    vars[n++] = (rg_template_var){.name = RG_STR("tools"), .json = request->tools};
    vars[n++] = (rg_template_var){.name = RG_STR("documents")};
    vars[n++] = (rg_template_var){.name = RG_STR("add_generation_prompt"), .json = &prompt};
    if (kwargs != NULL && kwargs->n > VARS_MAX - n) {
        return rg_fail(err, RG_E_LIMIT, "%zu keywords for the template, limit %zu", kwargs->n,
                       VARS_MAX - n);
    }
    for (size_t i = 0; kwargs != NULL && i < kwargs->n; i++) {
        vars[n++] = (rg_template_var){.name = kwargs->keys[i], .json = &kwargs->items[i]};
    }
    const bool has_tools = request->tools != NULL && request->tools->kind != RG_JSON_NULL;
    const rg_template_context context = {.vars = vars, .n_vars = n, .clock = request->clock};
    return rg_template_render(choose(format, has_tools), &context, request->limits, out, err);
}
