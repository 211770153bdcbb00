#include "chat/jinja_method.h"

#include "base/utf8.h"

static rg_jval text(const rg_jstr *s) {
    return rg_jtext(s);
}

/* A text argument; fails for other kinds. Missing or none: NULL. */
static const rg_jstr *text_arg(rg_jrun *run, rg_jval v) {
    if (v.kind == RG_J_MISSING || v.kind == RG_J_NONE) {
        return NULL;
    }
    if (v.kind == RG_J_UNDEFINED) {
        rg_jfail_undefined(run, v);
        return NULL;
    }
    if (v.kind != RG_J_STRING) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "expected str, not %s", rg_jval_type(v));
        return NULL;
    }
    return v.str;
}

/* As text_arg, and it must be there. */
static const rg_jstr *needed(rg_jrun *run, rg_jval v) {
    const rg_jstr *s = text_arg(run, v);
    if (s == NULL) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "expected str, not %s", rg_jval_type(v));
        return rg_jstr_c(run, "");
    }
    return s;
}

static rg_jval str_upper(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return text(rg_jstr_case(run, self.str, RG_J_UPPER));
}
static rg_jval str_lower(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return text(rg_jstr_case(run, self.str, RG_J_LOWER));
}
static rg_jval str_title(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return text(rg_jstr_case(run, self.str, RG_J_TITLE));
}
static rg_jval str_capitalize(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return text(rg_jstr_case(run, self.str, RG_J_CAPITAL));
}
static rg_jval str_swapcase(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return text(rg_jstr_case(run, self.str, RG_J_SWAP));
}

static rg_jval str_strip(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return text(rg_jstr_strip(run, self.str, text_arg(run, arg[0]), 3));
}
static rg_jval str_lstrip(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return text(rg_jstr_strip(run, self.str, text_arg(run, arg[0]), 1));
}
static rg_jval str_rstrip(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return text(rg_jstr_strip(run, self.str, text_arg(run, arg[0]), 2));
}

/* The next place of `what` in s at or behind `from`; s->size + 1 when there is none. */
static size_t find_from(rg_jrun *run, const rg_jstr *s, const rg_jstr *what, size_t from) {
    if (what->size > s->size - from) {
        return s->size + 1;
    }
    if (what->size == 0) {
        return from;
    }
    const char *hit = memmem(s->data + from, s->size - from, what->data, what->size);
    const size_t at = hit == NULL ? s->size + 1 : (size_t)(hit - s->data);
    rg_jsteps(run, 1 + (at - from) / 32);
    return at;
}

/* The last place of `what` in s that ends at or before `to`; s->size + 1 when there is none. */
static size_t find_back(rg_jrun *run, const rg_jstr *s, const rg_jstr *what, size_t to) {
    for (size_t at = to; at + 1 > what->size; at--) {
        const size_t start = at - what->size;
        if (what->size == 0 || memcmp(s->data + start, what->data, what->size) == 0) {
            return start;
        }
        rg_jsteps(run, 1);
        if (at == 0 || rg_jfailed(run)) {
            break;
        }
    }
    return s->size + 1;
}

/* Words between white space, from the left or the right, at most `most` cuts. */
static rg_jlist *split_space(rg_jrun *run, const rg_jstr *s, int64_t most) {
    rg_jlist *list = rg_jlist_new(run, 0);
    const rg_jstr *rest = rg_jstr_strip(run, s, NULL, 1);
    while (rest->size != 0 && !rg_jfailed(run)) {
        if (most >= 0 && (int64_t)list->n >= most) {
            rg_jlist_push(run, list, text(rg_jstr_strip(run, rest, NULL, 2)));
            break;
        }
        size_t end = 0;
        while (end < rest->size) {
            uint32_t cp = 0;
            const size_t n = rg_utf8_decode((rg_str){rest->data + end, rest->size - end}, &cp);
            if (rg_jchar_is_space(cp)) {
                break;
            }
            end += n;
        }
        rg_jsteps(run, end / 8);
        rg_jlist_push(run, list, text(rg_jstr_part(run, rest, 0, end)));
        rest = rg_jstr_strip(run, rg_jstr_part(run, rest, end, rest->size), NULL, 1);
    }
    return list;
}

static rg_jlist *rsplit_space(rg_jrun *run, const rg_jstr *s, int64_t most) {
    rg_jlist *list = rg_jlist_new(run, 0);
    const rg_jstr *rest = rg_jstr_strip(run, s, NULL, 2);
    while (rest->size != 0 && !rg_jfailed(run)) {
        if (most >= 0 && (int64_t)list->n >= most) {
            rg_jlist_push(run, list, text(rg_jstr_strip(run, rest, NULL, 1)));
            break;
        }
        size_t start = rest->size;
        while (start > 0) {
            size_t at = start - 1;
            while (at > 0 && ((uint8_t)rest->data[at] & 0xC0) == 0x80) {
                at--;
            }
            uint32_t cp = 0;
            rg_utf8_decode((rg_str){rest->data + at, start - at}, &cp);
            if (rg_jchar_is_space(cp)) {
                break;
            }
            start = at;
        }
        rg_jsteps(run, (rest->size - start) / 8);
        rg_jlist_push(run, list, text(rg_jstr_part(run, rest, start, rest->size)));
        rest = rg_jstr_strip(run, rg_jstr_part(run, rest, 0, start), NULL, 2);
    }
    return list;
}

static void turn_around(rg_jlist *list) {
    for (size_t i = 0; i < list->n / 2; i++) {
        const rg_jval v = list->items[i];
        list->items[i] = list->items[list->n - 1 - i];
        list->items[list->n - 1 - i] = v;
    }
}

static rg_jval split(rg_jrun *run, rg_jval self, const rg_jval *arg, bool is_right) {
    const rg_jstr *s = self.str;
    const rg_jstr *sep = text_arg(run, arg[0]);
    const int64_t most =
        arg[1].kind == RG_J_MISSING ? -1 : rg_jval_int(run, arg[1], "split(): maxsplit");
    if (sep == NULL) {
        rg_jlist *words = is_right ? rsplit_space(run, s, most) : split_space(run, s, most);
        if (is_right) {
            turn_around(words);
        }
        return rg_jseq(RG_J_LIST, words);
    }
    if (sep->size == 0) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "empty separator");
    }
    rg_jlist *list = rg_jlist_new(run, 0);
    size_t from = 0;
    size_t to = s->size;
    while (!rg_jfailed(run) && (most < 0 || (int64_t)list->n < most)) {
        const size_t hit = is_right ? find_back(run, s, sep, to) : find_from(run, s, sep, from);
        if (hit > s->size) {
            break;
        }
        if (is_right) {
            rg_jlist_push(run, list, text(rg_jstr_part(run, s, hit + sep->size, to)));
            to = hit;
        } else {
            rg_jlist_push(run, list, text(rg_jstr_part(run, s, from, hit)));
            from = hit + sep->size;
        }
    }
    rg_jlist_push(run, list, text(rg_jstr_part(run, s, from, to)));
    if (is_right) {
        turn_around(list);
    }
    return rg_jseq(RG_J_LIST, list);
}

static rg_jval str_split(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return split(run, self, arg, false);
}
static rg_jval str_rsplit(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return split(run, self, arg, true);
}

static rg_jval str_splitlines(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return rg_jseq(RG_J_LIST, rg_jstr_lines(run, self.str, rg_jval_is_true(arg[0])));
}

static rg_jval partition(rg_jrun *run, rg_jval self, const rg_jval *arg, bool is_right) {
    const rg_jstr *s = self.str;
    const rg_jstr *sep = needed(run, arg[0]);
    const rg_jstr *none = rg_jstr_c(run, "");
    if (sep->size == 0) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "empty separator");
    }
    rg_jlist *list = rg_jlist_new(run, 3);
    if (rg_jfailed(run)) {
        return rg_jnone();
    }
    const size_t hit = is_right ? find_back(run, s, sep, s->size) : find_from(run, s, sep, 0);
    if (hit > s->size) {
        rg_jlist_push(run, list, text(is_right ? none : s));
        rg_jlist_push(run, list, text(none));
        rg_jlist_push(run, list, text(is_right ? s : none));
    } else {
        rg_jlist_push(run, list, text(rg_jstr_part(run, s, 0, hit)));
        rg_jlist_push(run, list, text(rg_jstr_part(run, s, hit, hit + sep->size)));
        rg_jlist_push(run, list, text(rg_jstr_part(run, s, hit + sep->size, s->size)));
    }
    return rg_jseq(RG_J_TUPLE, list);
}

static rg_jval str_partition(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return partition(run, self, arg, false);
}
static rg_jval str_rpartition(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return partition(run, self, arg, true);
}

/* The part of self between the characters start and end, which may be missing. */
static const rg_jstr *window(rg_jrun *run, const rg_jstr *s, rg_jval start, rg_jval end,
                             size_t *first) {
    const int64_t n = (int64_t)s->n_chars;
    int64_t ends[2] = {0, n};
    const rg_jval given[2] = {start, end};
    for (int i = 0; i < 2; i++) {
        if (given[i].kind != RG_J_MISSING && given[i].kind != RG_J_NONE) {
            int64_t at = rg_jval_int(run, given[i], "start or end");
            at += at < 0 ? n : 0;
            ends[i] = at < 0 ? 0 : at;
        }
    }
    *first = (size_t)ends[0];
    if (ends[0] > n || ends[0] > ends[1]) {
        return NULL;
    }
    return rg_jstr_part(run, s, rg_jstr_offset(run, s, (size_t)ends[0]),
                        rg_jstr_offset(run, s, (size_t)ends[1]));
}

/* startswith and endswith, of a text or any of a tuple. */
static rg_jval has_end(rg_jrun *run, rg_jval self, const rg_jval *arg, bool is_start) {
    size_t first = 0;
    const rg_jstr *s = window(run, self.str, arg[1], arg[2], &first);
    const bool is_tuple = arg[0].kind == RG_J_TUPLE;
    const size_t n = is_tuple ? arg[0].list->n : 1;
    for (size_t i = 0; i < n && !rg_jfailed(run); i++) {
        const rg_jstr *part = needed(run, is_tuple ? arg[0].list->items[i] : arg[0]);
        if (s != NULL && (is_start ? rg_str_starts(rg_jstr_str(s), rg_jstr_str(part))
                                   : rg_str_ends(rg_jstr_str(s), rg_jstr_str(part)))) {
            return rg_jbool(true);
        }
    }
    return rg_jbool(false);
}

static rg_jval str_startswith(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return has_end(run, self, arg, true);
}
static rg_jval str_endswith(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return has_end(run, self, arg, false);
}

static int64_t find(rg_jrun *run, rg_jval self, const rg_jval *arg, bool is_right) {
    size_t first = 0;
    const rg_jstr *what = needed(run, arg[0]);
    const rg_jstr *s = window(run, self.str, arg[1], arg[2], &first);
    if (s == NULL || rg_jfailed(run)) {
        return -1;
    }
    const size_t hit = is_right ? find_back(run, s, what, s->size) : find_from(run, s, what, 0);
    return hit > s->size ? -1 : (int64_t)(first + rg_jcount_chars((rg_str){s->data, hit}));
}

static rg_jval str_find(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return rg_jint(find(run, self, arg, false));
}
static rg_jval str_rfind(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return rg_jint(find(run, self, arg, true));
}

static rg_jval index_of(rg_jrun *run, rg_jval self, const rg_jval *arg, bool is_right) {
    const int64_t at = find(run, self, arg, is_right);
    if (at < 0) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "substring not found");
    }
    return rg_jint(at);
}
static rg_jval str_index(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return index_of(run, self, arg, false);
}
static rg_jval str_rindex(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return index_of(run, self, arg, true);
}

static rg_jval str_count(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    size_t first = 0;
    const rg_jstr *what = needed(run, arg[0]);
    const rg_jstr *s = window(run, self.str, arg[1], arg[2], &first);
    int64_t n = 0;
    if (s == NULL || rg_jfailed(run)) {
        return rg_jint(0);
    }
    if (what->size == 0) {
        return rg_jint((int64_t)s->n_chars + 1);
    }
    for (size_t at = find_from(run, s, what, 0); at <= s->size && !rg_jfailed(run);
         at = find_from(run, s, what, at + what->size)) {
        n++;
    }
    return rg_jint(n);
}

static rg_jval str_replace(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    const rg_jstr *from = needed(run, arg[0]);
    const rg_jstr *to = needed(run, arg[1]);
    const int64_t count =
        arg[2].kind == RG_J_MISSING ? -1 : rg_jval_int(run, arg[2], "replace(): count");
    return text(rg_jstr_replace(run, self.str, from, to, count));
}

static rg_jval str_join(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    const rg_jlist *items = rg_jval_items(run, arg[0]);
    rg_jbuild b = {.run = run};
    for (size_t i = 0; i < items->n && !rg_jfailed(run); i++) {
        if (i != 0) {
            rg_jbuild_str(&b, self.str);
        }
        rg_jbuild_str(&b, needed(run, items->items[i]));
    }
    return text(rg_jbuild_done(&b));
}

static rg_jval str_removeprefix(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    const rg_jstr *part = needed(run, arg[0]);
    const bool has = rg_str_starts(rg_jstr_str(self.str), rg_jstr_str(part));
    return text(rg_jstr_part(run, self.str, has ? part->size : 0, self.str->size));
}
static rg_jval str_removesuffix(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    const rg_jstr *part = needed(run, arg[0]);
    const bool has = rg_str_ends(rg_jstr_str(self.str), rg_jstr_str(part));
    return text(rg_jstr_part(run, self.str, 0, self.str->size - (has ? part->size : 0)));
}

/* Fill up to a width; how: -1 text left, 0 middle, 1 right. */
static rg_jval pad(rg_jrun *run, rg_jval self, const rg_jval *arg, int how) {
    const int64_t width = rg_jval_int(run, arg[0], "width");
    const rg_jstr *fill = text_arg(run, arg[1]);
    const char c = fill == NULL ? ' ' : fill->size == 1 ? fill->data[0] : '\0';
    if (c == '\0') {
        rg_jfail(run, RG_TEMPLATE_TYPE, "the fill character must be one ASCII character");
    }
    if (rg_jfailed(run) || width <= (int64_t)self.str->n_chars) {
        return self;
    }
    const size_t n = (size_t)width - self.str->n_chars;
    // as CPython: the odd one goes left when the width is odd
    const size_t left = how < 0 ? 0 : how > 0 ? n : n / 2 + (n & (size_t)width & 1);
    rg_jbuild b = {.run = run};
    rg_jbuild_fill(&b, c, left, fill == NULL ? 0 : rg_jstr_origin(fill));
    rg_jbuild_str(&b, self.str);
    rg_jbuild_fill(&b, c, n - left, fill == NULL ? 0 : rg_jstr_origin(fill));
    return text(rg_jbuild_done(&b));
}
static rg_jval str_ljust(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return pad(run, self, arg, -1);
}
static rg_jval str_center(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return pad(run, self, arg, 0);
}
static rg_jval str_rjust(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    return pad(run, self, arg, 1);
}

static rg_jval str_zfill(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    const int64_t width = rg_jval_int(run, arg[0], "width");
    if (rg_jfailed(run) || width <= (int64_t)self.str->n_chars) {
        return self;
    }
    const size_t sign = self.str->size != 0 && strchr("+-", self.str->data[0]) != NULL;
    rg_jbuild b = {.run = run};
    rg_jbuild_part(&b, self.str, 0, sign);
    rg_jbuild_fill(&b, '0', (size_t)width - self.str->n_chars, 0);
    rg_jbuild_part(&b, self.str, sign, self.str->size);
    return text(rg_jbuild_done(&b));
}

static bool is_alnum(uint32_t cp) {
    return rg_jchar_is_alpha(cp) || rg_jchar_is_numeric(cp);
}

/* Every character is of a class, and there is one. */
static rg_jval all(rg_jrun *run, rg_jval self, bool (*is_it)(uint32_t cp)) {
    const rg_jstr *s = self.str;
    rg_jsteps(run, s->size / 8);
    for (size_t i = 0; i < s->size;) {
        uint32_t cp = 0;
        i += rg_utf8_decode((rg_str){s->data + i, s->size - i}, &cp);
        if (!is_it(cp)) {
            return rg_jbool(false);
        }
    }
    return rg_jbool(s->size != 0);
}
static rg_jval str_isdigit(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return all(run, self, rg_jchar_is_digit);
}
static rg_jval str_isnumeric(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return all(run, self, rg_jchar_is_numeric);
}
static rg_jval str_isalpha(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return all(run, self, rg_jchar_is_alpha);
}
static rg_jval str_isalnum(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return all(run, self, is_alnum);
}
static rg_jval str_isspace(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return all(run, self, rg_jchar_is_space);
}

/* Some character has a case, and none has the other. */
static rg_jval is_all_case(rg_jrun *run, rg_jval self, bool wants_upper) {
    const rg_jstr *s = self.str;
    bool has_case = false;
    rg_jsteps(run, s->size / 8);
    for (size_t i = 0; i < s->size;) {
        uint32_t cp = 0;
        bool is_upper = false;
        i += rg_utf8_decode((rg_str){s->data + i, s->size - i}, &cp);
        if (rg_jchar_is_cased(cp, &is_upper)) {
            if (is_upper != wants_upper) {
                return rg_jbool(false);
            }
            has_case = true;
        }
    }
    return rg_jbool(has_case);
}
static rg_jval str_isupper(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return is_all_case(run, self, true);
}
static rg_jval str_islower(rg_jrun *run, rg_jval self, const rg_jval *arg) {
    (void)arg;
    return is_all_case(run, self, false);
}

// rows without a function are names that Python knows: defined, but calling them fails
const rg_jmethod_row rg_jstr_methods[] = {
    {RG_J_STRING, "strip", str_strip, "chars", 0},
    {RG_J_STRING, "split", str_split, "sep maxsplit", 0},
    {RG_J_STRING, "startswith", str_startswith, "prefix start end", 1},
    {RG_J_STRING, "endswith", str_endswith, "suffix start end", 1},
    {RG_J_STRING, "lstrip", str_lstrip, "chars", 0},
    {RG_J_STRING, "rstrip", str_rstrip, "chars", 0},
    {RG_J_STRING, "replace", str_replace, "old new count", 2},
    {RG_J_STRING, "upper", str_upper, "", 0},
    {RG_J_STRING, "lower", str_lower, "", 0},
    {RG_J_STRING, "capitalize", str_capitalize, "", 0},
    {RG_J_STRING, "casefold", str_lower, "", 0},
    {RG_J_STRING, "center", str_center, "width fillchar", 1},
    {RG_J_STRING, "count", str_count, "sub start end", 1},
    {RG_J_STRING, "find", str_find, "sub start end", 1},
    {RG_J_STRING, "index", str_index, "sub start end", 1},
    {RG_J_STRING, "isalnum", str_isalnum, "", 0},
    {RG_J_STRING, "isalpha", str_isalpha, "", 0},
    {RG_J_STRING, "isdecimal", str_isdigit, "", 0},
    {RG_J_STRING, "isdigit", str_isdigit, "", 0},
    {RG_J_STRING, "islower", str_islower, "", 0},
    {RG_J_STRING, "isnumeric", str_isnumeric, "", 0},
    {RG_J_STRING, "isspace", str_isspace, "", 0},
    {RG_J_STRING, "isupper", str_isupper, "", 0},
    {RG_J_STRING, "join", str_join, "iterable", 1},
    {RG_J_STRING, "ljust", str_ljust, "width fillchar", 1},
    {RG_J_STRING, "partition", str_partition, "sep", 1},
    {RG_J_STRING, "removeprefix", str_removeprefix, "prefix", 1},
    {RG_J_STRING, "removesuffix", str_removesuffix, "suffix", 1},
    {RG_J_STRING, "rfind", str_rfind, "sub start end", 1},
    {RG_J_STRING, "rindex", str_rindex, "sub start end", 1},
    {RG_J_STRING, "rjust", str_rjust, "width fillchar", 1},
    {RG_J_STRING, "rpartition", str_rpartition, "sep", 1},
    {RG_J_STRING, "rsplit", str_rsplit, "sep maxsplit", 0},
    {RG_J_STRING, "splitlines", str_splitlines, "keepends", 0},
    {RG_J_STRING, "swapcase", str_swapcase, "", 0},
    {RG_J_STRING, "title", str_title, "", 0},
    {RG_J_STRING, "zfill", str_zfill, "width", 1},
    {RG_J_STRING, "encode", NULL, NULL, 0},
    {RG_J_STRING, "expandtabs", NULL, NULL, 0},
    {RG_J_STRING, "format", NULL, NULL, 0},
    {RG_J_STRING, "format_map", NULL, NULL, 0},
    {RG_J_STRING, "isascii", NULL, NULL, 0},
    {RG_J_STRING, "isidentifier", NULL, NULL, 0},
    {RG_J_STRING, "isprintable", NULL, NULL, 0},
    {RG_J_STRING, "istitle", NULL, NULL, 0},
    {RG_J_STRING, "maketrans", NULL, NULL, 0},
    {RG_J_STRING, "translate", NULL, NULL, 0},
};
const size_t rg_jstr_n_methods = sizeof rg_jstr_methods / sizeof rg_jstr_methods[0];
