/* One line of data: from JSON to token ids, and which of them are learnt. */
#pragma once

#include "chat/chat_format.h"
#include "token/tokenizer.h"

#define RG_SAMPLE_LINE_MAX (16u << 20) // bytes of a line

/** What lines are read with. Borrowed. Threads: share freely. */
typedef struct rg_sample_reader {
    const rg_mem *mem;
    const rg_tokenizer *tokenizer;
    const rg_chat_format *chat; // NULL: lines of messages are refused
} rg_sample_reader;

/** Samples of a line, end to end. Sample i ends before ids[ends[i]]; is_learnt[k] says whether the
 * model learns to say ids[k]. */
typedef struct rg_samples {
    rg_ids ids;
    rg_buf is_learnt; // uint8_t, one an id
    rg_buf ends;      // size_t
    bool is_text;     // may be cut anywhere
} rg_samples;

void rg_samples_init(rg_samples *s, const rg_mem *mem);
void rg_samples_reset(rg_samples *s);
void rg_samples_clear(rg_samples *s);
static inline size_t rg_samples_count(const rg_samples *s) {
    return s->ends.size / sizeof(size_t);
}

/**
 * Read a line: {"text"}, {"prompt", "completion"} or {"messages", "tools"?, "kwargs"?}.
 *
 * Text and completions end with the tokenizer's end token. Messages are written by the model's own
 * template; of an assistant's turn everything is learnt from where the prompt for it ends (as it
 * would be served) up to and including the token that ends the turn. A template that writes earlier
 * turns otherwise once others follow (dropping their reasoning, say) gives one sample a turn, each
 * as it would have been served.
 *
 * Errors: RG_E_FORMAT (JSON, fields, nothing to learn), RG_E_LIMIT, those of template and
 * tokenizer, RG_E_MEMORY. On failure samples are as before.
 */
rg_status rg_samples_read(const rg_sample_reader *r, rg_str line, rg_samples *out,
                          rg_error *err) RG_MUST_CHECK;

/** The text of a line, messages as `chat` writes them: for training a vocabulary. Errors: as above.
 */
rg_status rg_samples_text(const rg_mem *mem, const rg_chat_format *chat, rg_str line, rg_buf *out,
                          rg_error *err) RG_MUST_CHECK;
