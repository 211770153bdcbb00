/* Pre-tokenizers: text to pieces, before byte-pair merging. Known ones are written by hand: linear
 * time, constant stack. */
#pragma once

#include "base/mem.h"
#include "base/view.h"

typedef enum rg_pretok {
    RG_PRETOK_NONE,     // the whole text is one piece
    RG_PRETOK_GPT2,     // contractions, optional space before letters, digits, rest
    RG_PRETOK_LLAMA3,   // digits in groups of one to three
    RG_PRETOK_QWEN2,    // single digits
    RG_PRETOK_QWEN35,   // letters with their marks, single digits
    RG_PRETOK_GPT4O,    // words end where lower case turns to upper
    RG_PRETOK_KIMI,     // the same without Han, which are runs of their own
    RG_PRETOK_DEEPSEEK, // three passes: digits, CJK, the rest
    RG_PRETOK_REGEX,    // patterns of the file, through a bounded engine
    RG_PRETOK_COUNT
} rg_pretok;

/** Name of a pre-tokenizer as `raga show` prints it. */
const char *rg_pretok_name(rg_pretok kind);
/** The kind of a GGUF "tokenizer.ggml.pre"; RG_PRETOK_COUNT when unknown. */
rg_pretok rg_pretok_of_gguf(rg_str name);
/** The "tokenizer.ggml.pre" of a kind; empty: it has none. */
rg_str rg_pretok_gguf_name(rg_pretok kind);
/** The kind of a list of Split patterns; RG_PRETOK_REGEX when it is none of the known. */
rg_pretok rg_pretok_of_patterns(const rg_str *patterns, size_t n);
/** The one pattern that a kind goes by, as files spell it; NULL: it has none, or several. */
const char *rg_pretok_pattern(rg_pretok kind);
/** Whether the vocabularies that a kind comes with see text in NFC. */
bool rg_pretok_is_nfc(rg_pretok kind);

/** The end of the piece that begins at `at` (< text.size). For all kinds but RG_PRETOK_REGEX. */
size_t rg_pretok_next(rg_pretok kind, rg_str text, size_t at);
