/* Messages as programs send them, in the one form that chat templates read. */
#pragma once

#include "base/mem.h"
#include "format/json.h"

/**
 * The same conversation with: calls as {"function": {"name", "arguments"}} with arguments that are
 * objects, where they came as {"name", "arguments"} or with arguments in a text; the content of a
 * tool's message that is JSON as its text; content that is a list of texts as one text. What is
 * none of these stays as it is, for the template to judge.
 * @param arena     receives what is new; the rest still belongs to `messages`
 * @param messages  any JSON; what is no array comes back as it is
 * Errors: RG_E_MEMORY.
 */
rg_status rg_messages_tidy(rg_arena *arena, const rg_json *messages, const rg_json **out,
                           rg_error *err) RG_MUST_CHECK;
