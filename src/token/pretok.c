#include "token/pretok.h"

#include "token/char_class.h"

/** A character of the text: code point, classes, where the next one begins. */
typedef struct character {
    uint32_t cp;
    unsigned classes;
    size_t next;
} character;

static character at_char(rg_str text, size_t at) {
    character c = {.cp = RG_UTF8_BAD, .next = at};
    if (at < text.size) {
        c.next = at + rg_utf8_decode(rg_str_slice(text, at, at + 4), &c.cp);
        c.classes = rg_char_class(c.cp);
    }
    return c;
}

static bool is_end(rg_str text, size_t at) {
    return at >= text.size;
}

static bool is_newline(character c) {
    return c.cp == '\n' || c.cp == '\r';
}

// end of the run of characters that have any of the classes
static size_t run_of(rg_str text, size_t at, unsigned classes) {
    while (!is_end(text, at)) {
        const character c = at_char(text, at);
        if ((c.classes & classes) == 0) {
            break;
        }
        at = c.next;
    }
    return at;
}

static size_t newlines(rg_str text, size_t at, bool with_slash) {
    while (!is_end(text, at) && (text.data[at] == '\n' || text.data[at] == '\r' ||
                                 (with_slash && text.data[at] == '/'))) {
        at++;
    }
    return at;
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d): its end, or `at`. Folding makes U+017F an s.
static size_t contraction(rg_str text, size_t at) {
    if (is_end(text, at) || text.data[at] != '\'') {
        return at;
    }
    const character a = at_char(text, at + 1);
    const uint32_t one = a.cp < 128 ? a.cp | 32 : a.cp;
    if (one == 's' || one == 't' || one == 'm' || one == 'd' || a.cp == 0x17F) {
        return a.next;
    }
    const character b = at_char(text, a.next);
    const uint32_t two = b.cp < 128 ? b.cp | 32 : b.cp;
    if (((one == 'r' || one == 'v') && two == 'e') || (one == 'l' && two == 'l')) {
        return b.next;
    }
    return at;
}

// \p{N}{1,most}
static size_t digits(rg_str text, size_t at, size_t most) {
    for (size_t n = 0; n < most && !is_end(text, at); n++) {
        const character c = at_char(text, at);
        if ((c.classes & RG_CLASS_N) == 0) {
            break;
        }
        at = c.next;
    }
    return at;
}

// \s*[\r\n]+ | \s+(?!\S) | \s+
static size_t white_space(rg_str text, size_t at) {
    size_t end = at;
    size_t last = at;        // where the last space of the run begins
    size_t newline_end = at; // end of the last newline in the run
    while (!is_end(text, end)) {
        const character c = at_char(text, end);
        if ((c.classes & RG_CLASS_SPACE) == 0) {
            break;
        }
        last = end;
        end = c.next;
        newline_end = is_newline(c) ? end : newline_end;
    }
    if (newline_end > at) {
        return newline_end;
    }
    // the last space before a word belongs to the word, unless it is alone
    return is_end(text, end) || last == at ? end : last;
}

// ` ?[^\s\p{L}\p{N}]+[\r\n]*`, where `out` lists the classes left out beside spaces; `at` when it
// does not match
static size_t symbols(rg_str text, size_t at, unsigned out, bool with_slash) {
    size_t end = at_char(text, at).cp == ' ' ? at + 1 : at;
    const size_t begin = end;
    while (!is_end(text, end)) {
        const character c = at_char(text, end);
        if ((c.classes & (out | RG_CLASS_SPACE)) != 0) {
            break;
        }
        end = c.next;
    }
    return end == begin ? at : newlines(text, end, with_slash);
}

// `[^\r\n\p{L}\p{N}]?LETTERS+`; `at` when it does not match
static size_t word(rg_str text, size_t at, unsigned letters) {
    const character c = at_char(text, at);
    if ((c.classes & letters) != 0) {
        return run_of(text, at, letters);
    }
    if (is_newline(c) || (c.classes & (RG_CLASS_L | RG_CLASS_N)) != 0) {
        return at;
    }
    const size_t end = run_of(text, c.next, letters);
    return end == c.next ? at : end;
}

// one character that none of the alternatives takes is a piece together with all others like it
static size_t next_plain(rg_str text, size_t at, unsigned letters, size_t n_digits) {
    size_t end = contraction(text, at);
    end = end == at ? word(text, at, letters) : end;
    end = end == at ? digits(text, at, n_digits) : end;
    end = end == at ? symbols(text, at, letters | RG_CLASS_N, false) : end;
    end = end == at ? white_space(text, at) : end;
    return end == at ? at_char(text, at).next : end;
}

// ---- GPT-2: ` ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, contractions in lower case only
// ----

static size_t next_gpt2(rg_str text, size_t at) {
    static const char *const tails[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        if (rg_str_starts(rg_str_slice(text, at, text.size), rg_str_of(tails[i]))) {
            return at + strlen(tails[i]);
        }
    }
    const size_t begin = text.data[at] == ' ' ? at + 1 : at;
    const character c = at_char(text, begin);
    if (!is_end(text, begin)) {
        if ((c.classes & RG_CLASS_L) != 0) {
            return run_of(text, begin, RG_CLASS_L);
        }
        if ((c.classes & RG_CLASS_N) != 0) {
            return run_of(text, begin, RG_CLASS_N);
        }
        if ((c.classes & RG_CLASS_SPACE) == 0) {
            size_t end = begin;
            while (!is_end(text, end)) {
                const character d = at_char(text, end);
                if ((d.classes & (RG_CLASS_SPACE | RG_CLASS_L | RG_CLASS_N)) != 0) {
                    break;
                }
                end = d.next;
            }
            return end;
        }
    }
    const size_t end = run_of(text, at, RG_CLASS_SPACE);
    size_t last = at;
    for (size_t i = at; i < end; i = at_char(text, i).next) {
        last = i;
    }
    return is_end(text, end) || last == at ? end : last;
}

// ---- words with case: U* W+ C | U+ W* C, where U and W share modifiers, others and marks ----

typedef struct case_classes {
    unsigned upper;  // U
    unsigned lower;  // W
    unsigned barred; // characters with this class are in neither
} case_classes;

static bool is_upper(character c, const case_classes *k) {
    return (c.classes & k->upper) != 0 && (c.classes & k->barred) == 0;
}

static bool is_lower(character c, const case_classes *k) {
    return (c.classes & k->lower) != 0 && (c.classes & k->barred) == 0;
}

/*
 * The letters of a word from `at`, or `at`. U* is greedy and gives back until a W follows; since
 * only characters in both classes can be given back, the split lies after the last W inside the run
 * of U: U* W+   U takes its whole run; if a W follows, W goes on from there; else, if some
 * character of the run is a W, the last such one ends the match (what follows it in the run is no
 * W) U+ W*   the whole run of U
 */
static size_t cased_letters(rg_str text, size_t at, const case_classes *k) {
    size_t end = at;
    size_t after_shared = at; // end of the last character of the run that is in W as well
    while (!is_end(text, end)) {
        const character c = at_char(text, end);
        if (!is_upper(c, k)) {
            break;
        }
        end = c.next;
        after_shared = is_lower(c, k) ? end : after_shared;
    }
    const size_t run_end = end;
    while (!is_end(text, end)) {
        const character c = at_char(text, end);
        if (!is_lower(c, k)) {
            break;
        }
        end = c.next;
    }
    if (end > run_end) {
        return end;
    }
    return after_shared > at ? after_shared : run_end;
}

static size_t cased_word(rg_str text, size_t at, const case_classes *k) {
    const character c = at_char(text, at);
    // [^\r\n\p{L}\p{N}]? is greedy: a mark may be the leading character, and is when letters follow
    // it
    if (!is_newline(c) && (c.classes & (RG_CLASS_L | RG_CLASS_N)) == 0) {
        const size_t end = cased_letters(text, c.next, k);
        if (end > c.next) {
            return contraction(text, end);
        }
    }
    const size_t end = cased_letters(text, at, k);
    return end > at ? contraction(text, end) : at;
}

static size_t next_cased(rg_str text, size_t at, bool is_kimi) {
    const unsigned shared = RG_CLASS_LM | RG_CLASS_LO | RG_CLASS_M;
    const case_classes k = {.upper = RG_CLASS_LU | RG_CLASS_LT | shared,
                            .lower = RG_CLASS_LL | shared,
                            .barred = is_kimi ? RG_CLASS_HAN : 0};
    size_t end = is_kimi ? run_of(text, at, RG_CLASS_HAN) : at;
    end = end == at ? cased_word(text, at, &k) : end;
    end = end == at ? digits(text, at, 3) : end;
    end = end == at ? symbols(text, at, RG_CLASS_L | RG_CLASS_N, !is_kimi) : end;
    end = end == at ? white_space(text, at) : end;
    return end == at ? at_char(text, at).next : end;
}

// ---- DeepSeek: each pass splits the pieces of the one before ----

static bool is_cjk(character c) {
    return (c.cp >= 0x4E00 && c.cp <= 0x9FA5) || (c.cp >= 0x3040 && c.cp <= 0x309F) ||
           (c.cp >= 0x30A0 && c.cp <= 0x30FF);
}

static bool is_ascii_mark(uint32_t cp) {
    return (cp >= '!' && cp <= '/') || (cp >= ':' && cp <= '@') || (cp >= '[' && cp <= '`') ||
           (cp >= '{' && cp <= '~');
}

static bool is_ascii_letter(uint32_t cp) {
    return cp < 128 && (cp | 32) >= 'a' && (cp | 32) <= 'z';
}

// where the first two passes cut: to the third one, the text ends here
static bool is_barrier(rg_str text, size_t at) {
    const character c = at_char(text, at);
    return is_end(text, at) || (c.classes & RG_CLASS_N) != 0 || is_cjk(c);
}

static size_t barred_run(rg_str text, size_t at, unsigned classes) {
    while (!is_barrier(text, at) && (at_char(text, at).classes & classes) != 0) {
        at = at_char(text, at).next;
    }
    return at;
}

// the third pass at a place that is no barrier; `at` when no alternative matches
static size_t deepseek_rest(rg_str text, size_t at) {
    const unsigned letters = RG_CLASS_L | RG_CLASS_M;
    const unsigned marks = RG_CLASS_P | RG_CLASS_S;
    const character c = at_char(text, at);
    size_t end = c.next;
    if (is_ascii_mark(c.cp) && is_ascii_letter(at_char(text, end).cp)) {
        while (!is_end(text, end) && is_ascii_letter((unsigned char)text.data[end])) {
            end++;
        }
        return end;
    }
    if ((c.classes & letters) != 0) {
        return barred_run(text, at, letters);
    }
    if (!is_newline(c) && (c.classes & marks) == 0) {
        end = barred_run(text, c.next, letters);
        if (end > c.next) {
            return end;
        }
    }
    const size_t begin = c.cp == ' ' ? at + 1 : at;
    end = barred_run(text, begin, marks);
    if (end > begin) {
        return newlines(text, end, false);
    }
    // spaces before a barrier have nothing behind them
    end = white_space(text, at);
    const size_t spaces = run_of(text, at, RG_CLASS_SPACE);
    const bool has_newline = end > at && is_newline(at_char(text, end - 1));
    return !has_newline && is_barrier(text, spaces) ? spaces : end;
}

static size_t next_deepseek(rg_str text, size_t at) {
    const character c = at_char(text, at);
    if ((c.classes & RG_CLASS_N) != 0) {
        return digits(text, at, 3);
    }
    size_t end = at;
    while (!is_end(text, end) && is_cjk(at_char(text, end))) {
        end = at_char(text, end).next;
    }
    if (end > at) {
        return end;
    }
    end = deepseek_rest(text, at);
    if (end > at) {
        return end;
    }
    // text that no alternative takes stays together until one matches again
    end = c.next;
    while (!is_barrier(text, end) && deepseek_rest(text, end) == end) {
        end = at_char(text, end).next;
    }
    return end;
}

size_t rg_pretok_next(rg_pretok kind, rg_str text, size_t at) {
    switch (kind) {
    case RG_PRETOK_GPT2:
        return next_gpt2(text, at);
    case RG_PRETOK_LLAMA3:
        return next_plain(text, at, RG_CLASS_L, 3);
    case RG_PRETOK_QWEN2:
        return next_plain(text, at, RG_CLASS_L, 1);
    case RG_PRETOK_QWEN35:
        return next_plain(text, at, RG_CLASS_L | RG_CLASS_M, 1);
    case RG_PRETOK_GPT4O:
        return next_cased(text, at, false);
    case RG_PRETOK_KIMI:
        return next_cased(text, at, true);
    case RG_PRETOK_DEEPSEEK:
        return next_deepseek(text, at);
    case RG_PRETOK_NONE:
    case RG_PRETOK_REGEX:
    case RG_PRETOK_COUNT:
        break;
    }
    return text.size;
}

// ---- names ----

static const struct {
    rg_pretok kind;
    const char *name;
    const char *gguf; // names in files, each between spaces
} kinds[] = {
    {RG_PRETOK_NONE, "none", ""},
    {RG_PRETOK_GPT2, "gpt2", " gpt-2 gpt2 default phi-2 mpt olmo jais "},
    {RG_PRETOK_LLAMA3, "llama3", " llama-bpe llama3 llama-v3 falcon3 pixtral smaug-bpe "},
    {RG_PRETOK_QWEN2, "qwen2", " qwen2 deepseek-r1-qwen "},
    {RG_PRETOK_QWEN35, "qwen35", " qwen35 "},
    {RG_PRETOK_GPT4O, "gpt4o", " gpt-4o llama4 "},
    {RG_PRETOK_KIMI, "kimi", " kimi-k2 "},
    {RG_PRETOK_DEEPSEEK, "deepseek-v3", " deepseek-v3 "},
    {RG_PRETOK_REGEX, "regex", ""},
};

const char *rg_pretok_name(rg_pretok kind) {
    return (unsigned)kind < RG_PRETOK_COUNT ? kinds[kind].name : "unknown";
}

rg_str rg_pretok_gguf_name(rg_pretok kind) {
    const rg_str names = rg_str_of((unsigned)kind < RG_PRETOK_COUNT ? kinds[kind].gguf : "");
    const char *end = names.size == 0 ? NULL : memchr(names.data + 1, ' ', names.size - 1);
    return end == NULL ? (rg_str){0} : (rg_str){names.data + 1, (size_t)(end - names.data) - 1};
}

rg_pretok rg_pretok_of_gguf(rg_str name) {
    char padded[64] = " ";
    if (name.size == 0 || name.size + 3 > sizeof padded) {
        return RG_PRETOK_COUNT;
    }
    memcpy(padded + 1, name.data, name.size);
    padded[name.size + 1] = ' ';
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strstr(kinds[i].gguf, padded) != NULL) {
            return kinds[i].kind;
        }
    }
    return RG_PRETOK_COUNT;
}

// the patterns as the publishers' files spell them: interface data
#define CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define TAIL        "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define PLAIN(letters, numbers, rest)                                                              \
    CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?" letters "+|" numbers "| ?[^\\s" rest                     \
                "\\p{N}]+[\\r\\n]*" TAIL
#define CASED(bar, newline)                                                                        \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}" bar                                \
    "]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}" bar "]+" CONTRACTION                                          \
    "?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}" bar                              \
    "]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}" bar "]*" CONTRACTION                                          \
    "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+" newline "*" TAIL

static const struct {
    rg_pretok kind;
    const char *pattern;
} known[] = {
    {RG_PRETOK_GPT2, "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+"
                     "|\\s+(?!\\S)|\\s+"},
    {RG_PRETOK_LLAMA3, PLAIN("\\p{L}", "\\p{N}{1,3}", "\\p{L}")},
    {RG_PRETOK_QWEN2, PLAIN("\\p{L}", "\\p{N}", "\\p{L}")},
    {RG_PRETOK_QWEN35, PLAIN("[\\p{L}\\p{M}]", "\\p{N}", "\\p{L}\\p{M}")},
    {RG_PRETOK_GPT4O, CASED("", "[\\r\\n/]")},
    {RG_PRETOK_KIMI, "[\\p{Han}]+|" CASED("&&[^\\p{Han}]", "[\\r\\n]")},
};

const char *rg_pretok_pattern(rg_pretok kind) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].kind == kind) {
            return known[i].pattern;
        }
    }
    return NULL;
}

bool rg_pretok_is_nfc(rg_pretok kind) {
    return kind == RG_PRETOK_QWEN2 || kind == RG_PRETOK_QWEN35;
}

rg_pretok rg_pretok_of_patterns(const rg_str *patterns, size_t n) {
    if (n == 0) {
        return RG_PRETOK_NONE;
    }
    for (size_t i = 0; n == 1 && i < sizeof known / sizeof *known; i++) {
        if (rg_str_is(patterns[0], known[i].pattern)) {
            return known[i].kind;
        }
    }
    // the third pattern is spelled with real or escaped newlines; its first half tells it apart
    static const char deepseek[] = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|";
    if (n == 3 && rg_str_is(patterns[0], "\\p{N}{1,3}") &&
        rg_str_is(patterns[1], "[\xE4\xB8\x80-\xE9\xBE\xA5\xE3\x81\x80-\xE3\x82\x9F"
                               "\xE3\x82\xA0-\xE3\x83\xBF]+") &&
        rg_str_starts(patterns[2], rg_str_of(deepseek))) {
        return RG_PRETOK_DEEPSEEK;
    }
    return RG_PRETOK_REGEX;
}
