/*
 * Which stretches of a rendered conversation an assistant says: what training learns.
 *
 * The rule, for any template. A turn begins where the prompt for it would have ended: what the
 * template writes after the messages before it, with add_generation_prompt, stands in front and is
 * not the assistant's. It ends with the first of the model's end tokens that the template writes
 * behind the turn's first word, that token included: there a server stops. Where a template writes
 * no end token, the turn ends with what it writes for the message when nothing follows.
 *
 * Words are told apart by their origin (template.h), never by looking for them in the text: content
 * that spells a header or an end token changes nothing. A message without text of its own (numbers
 * aside) says nothing.
 */
#pragma once

#include "base/buf.h"
#include "chat/chat_format.h"

#define RG_CHAT_TURNS_MAX    ((size_t)1024)  // turns of assistants in one conversation
#define RG_CHAT_MESSAGES_MAX ((size_t)16384) // messages in one conversation that is marked

/** Bytes [begin, end) of a rendered conversation. */
typedef struct rg_chat_span {
    size_t begin;
    size_t end;
} rg_chat_span;

/**
 * Render a conversation and mark what its assistants say.
 * @param request  as for rg_chat_format_render; sources and add_generation_prompt are not looked at
 * @param ends     n_ends texts of the tokens that end an answer
 * @param out      as for rg_template_render: clear it always
 * @param spans    receives rg_chat_span, ascending and apart; may stay empty
 * Errors: those of rg_chat_format_render; RG_E_ARG (a message that is no object or has no role);
 *         RG_E_LIMIT; RG_E_UNSUPPORTED when a turn's beginning cannot be told.
 */
rg_status rg_chat_format_spans(const rg_chat_format *format, const rg_mem *mem,
                               const rg_chat_request *request, const rg_str *ends, size_t n_ends,
                               rg_rendered *out, rg_buf *spans, rg_error *err) RG_MUST_CHECK;
