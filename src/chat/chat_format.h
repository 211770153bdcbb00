/*
 * How a model wants a conversation written: its templates, its special tokens, and the context that
 * they are rendered with.
 */
#pragma once

#include "chat/dialect.h"
#include "chat/template.h"

#define RG_CHAT_TEMPLATES_MAX 16u // named templates of one model

/** A template as a model file brings it. The main one is named "default" or "". */
typedef struct rg_chat_source {
    rg_str name;
    rg_str text;
} rg_chat_source;

/** What a model says about its chat format. A special token whose data is NULL does not exist. */
typedef struct rg_chat_model {
    const rg_chat_source *sources; // of a GGUF, or chat_template.jinja: before those of the config
    size_t n_sources;
    const rg_json *config; // tokenizer_config.json, or NULL
    rg_str bos;            // before that of the config, as the others
    rg_str eos;
    rg_str unk;
    rg_str pad;
} rg_chat_model;

/** A conversation to be written. All of it is untrusted. */
typedef struct rg_chat_request {
    const rg_json *messages; // an array
    const rg_json *tools;    // an array, or NULL
    const rg_json *kwargs;   // an object, or NULL: more variables, before add_generation_prompt
    bool add_generation_prompt;
    rg_template_clock clock;
    const rg_template_limits *limits; // NULL: defaults
    const uint8_t *sources;           // one a message, or NULL: rg_template_var.sources
} rg_chat_request;

/** A model's chat format. Threads: read-only after rg_chat_format_new; share freely. */
typedef struct rg_chat_format rg_chat_format;

/**
 * Parse a model's templates. A model without one, or whose main one cannot be parsed, gets ChatML,
 * and rg_chat_format_warning() says so.
 * @param model  not kept
 * Errors: RG_E_MEMORY.
 */
rg_status rg_chat_format_new(const rg_mem *mem, const rg_chat_model *model, rg_chat_format **out,
                             rg_error *err) RG_MUST_CHECK;
void rg_chat_format_free(rg_chat_format *format);
/** How calls and reasoning are written, by what the templates show. Never NULL. */
const rg_dialect *rg_chat_format_dialect(const rg_chat_format *format);
/** What was wrong with the model's templates, or NULL. */
const char *rg_chat_format_warning(const rg_chat_format *format);
/** Whether the template used (with tools or without) reads a variable: "tools", "enable_thinking".
 */
bool rg_chat_format_reads(const rg_chat_format *format, bool has_tools, const char *name);

/**
 * Write a conversation. With tools, the template named "tool_use" is used where there is one.
 * @param out  as for rg_template_render: clear it always
 * Errors: those of rg_template_render; RG_E_ARG for messages that are no array, kwargs that are no
 * object.
 */
rg_status rg_chat_format_render(const rg_chat_format *format, const rg_chat_request *request,
                                rg_rendered *out, rg_error *err) RG_MUST_CHECK;
