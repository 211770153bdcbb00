/* A conversation as OpenAI's interface has it, made into what the model's template takes. */
#pragma once

#include "raga/picture.h"
#include "serve/fields.h"
#include "serve/job.h"

#define RG_CONVERSATION_MESSAGES_MAX 65536 // of one request
#define RG_CONVERSATION_TOOLS_MAX    1024  // likewise

typedef struct rg_conversation {
    raga_model *model;
    rg_arena *arena;   // of the request; what is below points into it
    rg_buf text;       // for raga_chat_ids
    const char *tools; // that the model is shown, JSON; NULL: none
    bool has_strict;   // one of them wants its schema kept
    bool is_none, is_required;
    const char *tool; // the one that must be called; NULL: none in particular
    rg_str prefill;   // the answer begins with this; data NULL: with nothing
    rg_shelf *shelf;  // of pictures; NULL: they are counted, not looked at
    size_t owner;     // whose they are
    rg_seen *pictures[RG_JOB_PICTURES_MAX];
    size_t n_pictures;
    size_t n_seen; // pictures, looked at or not
} rg_conversation;

void rg_conversation_init(rg_conversation *c, raga_model *model, rg_arena *arena);
/** Lets pictures go that nobody took. */
void rg_conversation_clear(rg_conversation *c);
/**
 * Read "messages", "tools", "tool_choice", "reasoning_effort", "chat_template_kwargs".
 * @param root  the request; must live as long as the conversation
 */
bool rg_conversation_read(rg_conversation *c, const rg_json *root, rg_fault *fault);

/** A list of token ids of the model. @param out  in the arena */
bool rg_read_ids(const raga_model *model, rg_arena *arena, const rg_json *list, const char *name,
                 const int32_t **out, rg_fault *fault);
