#include "chat/jinja_run.h"

#include "base/utf8.h"

#include <stdio.h>

static rg_jval text(const rg_jstr *s) {
    return rg_jtext(s);
}

rg_jval rg_jf_upper(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    return text(rg_jstr_case(run, rg_jval_str(run, v), RG_J_UPPER));
}

rg_jval rg_jf_lower(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    return text(rg_jstr_case(run, rg_jval_str(run, v), RG_J_LOWER));
}

rg_jval rg_jf_capitalize(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    return text(rg_jstr_case(run, rg_jval_str(run, v), RG_J_CAPITAL));
}

rg_jval rg_jf_string(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    return text(rg_jval_str(run, v));
}

/* Every word begins with a capital; words end at white space and at - ( { [ <. */
rg_jval rg_jf_title(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    const rg_jstr *s = rg_jval_str(run, v);
    rg_jbuild b = {.run = run};
    for (size_t from = 0; from < s->size && !rg_jfailed(run);) {
        size_t end = from;
        bool is_end = false;
        while (end < s->size && !is_end) {
            uint32_t cp = 0;
            end += rg_utf8_decode((rg_str){s->data + end, s->size - end}, &cp);
            is_end = rg_jchar_is_space(cp) || (cp < 0x80 && strchr("-({[<", (int)cp) != NULL);
        }
        rg_jbuild_str(&b, rg_jstr_case(run, rg_jstr_part(run, s, from, end), RG_J_CAPITAL));
        from = end;
    }
    return text(rg_jbuild_done(&b));
}

rg_jval rg_jf_trim(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const bool is_plain = arg[0].kind == RG_J_MISSING || arg[0].kind == RG_J_NONE;
    const rg_jstr *chars = is_plain ? NULL : rg_jval_str(run, arg[0]);
    return text(rg_jstr_strip(run, rg_jval_str(run, v), chars, 3));
}

const rg_jstr *rg_jstr_replace(rg_jrun *run, const rg_jstr *s, const rg_jstr *from,
                               const rg_jstr *to, int64_t count) {
    rg_jbuild b = {.run = run};
    size_t at = 0;
    rg_jsteps(run, s->size / 32);
    for (int64_t n = 0; (count < 0 || n < count) && !rg_jfailed(run); n++) {
        if (from->size == 0) {
            // between all characters, and at both ends
            rg_jbuild_str(&b, to);
            if (at == s->size) {
                return rg_jbuild_done(&b);
            }
            size_t next = at + 1;
            while (next < s->size && ((uint8_t)s->data[next] & 0xC0) == 0x80) {
                next++;
            }
            rg_jbuild_part(&b, s, at, next);
            at = next;
            continue;
        }
        const char *hit = s->size - at < from->size
                              ? NULL
                              : memmem(s->data + at, s->size - at, from->data, from->size);
        if (hit == NULL) {
            break;
        }
        const size_t start = (size_t)(hit - s->data);
        rg_jsteps(run, 1);
        rg_jbuild_part(&b, s, at, start);
        rg_jbuild_str(&b, to);
        at = start + from->size;
    }
    if (at == 0 && b.size == 0) {
        return s;
    }
    rg_jbuild_part(&b, s, at, s->size);
    return rg_jbuild_done(&b);
}

rg_jval rg_jf_replace(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    int64_t count = -1;
    if (arg[2].kind != RG_J_MISSING && arg[2].kind != RG_J_NONE) {
        count = rg_jval_int(run, arg[2], "replace(): count");
    }
    return text(rg_jstr_replace(run, rg_jval_str(run, v), rg_jval_str(run, arg[0]),
                                rg_jval_str(run, arg[1]), count));
}

rg_jlist *rg_jstr_lines(rg_jrun *run, const rg_jstr *s, bool keeps_ends) {
    rg_jlist *lines = rg_jlist_new(run, 0);
    size_t start = 0;
    for (size_t i = 0; i < s->size && !rg_jfailed(run);) {
        uint32_t cp = 0;
        size_t next = i + rg_utf8_decode((rg_str){s->data + i, s->size - i}, &cp);
        if (rg_jchar_is_line_end(cp)) {
            next += cp == '\r' && next < s->size && s->data[next] == '\n';
            rg_jlist_push(run, lines, text(rg_jstr_part(run, s, start, keeps_ends ? next : i)));
            start = next;
        }
        i = next;
    }
    rg_jsteps(run, s->size / 16);
    if (start < s->size) {
        rg_jlist_push(run, lines, text(rg_jstr_part(run, s, start, s->size)));
    }
    return lines;
}

/* The indentation that `indent` and tojson take: a text, or so many spaces. */
static const rg_jstr *indentation(rg_jrun *run, rg_jval v, int64_t usual) {
    if (v.kind == RG_J_STRING) {
        return v.str;
    }
    const int64_t width = v.kind == RG_J_MISSING ? usual : rg_jval_int(run, v, "indent");
    rg_jbuild b = {.run = run};
    rg_jbuild_fill(&b, ' ', width < 0 ? 0 : (size_t)width, 0);
    return rg_jbuild_done(&b);
}

rg_jval rg_jf_indent(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const rg_jstr *step = indentation(run, arg[0], 4);
    const bool has_first = rg_jval_is_true(arg[1]);
    const bool has_blank = rg_jval_is_true(arg[2]);
    if (v.kind == RG_J_UNDEFINED) {
        rg_jfail_undefined(run, v);
    } else if (v.kind != RG_J_STRING) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "indent() of %s", rg_jval_type(v));
    }
    const rg_jstr *s = rg_jval_str(run, v);
    // a line end more, so that a text that ends in one keeps its last, empty line
    const rg_jlist *lines = rg_jstr_lines(run, rg_jstr_join(run, s, rg_jstr_c(run, "\n")), false);
    rg_jbuild b = {.run = run};
    for (size_t i = 0; i < lines->n && !rg_jfailed(run); i++) {
        const rg_jstr *line = lines->items[i].str;
        if (i != 0) {
            rg_jbuild_c(&b, "\n");
        }
        if (i == 0 ? has_first : has_blank || line->size != 0) {
            rg_jbuild_str(&b, step);
        }
        rg_jbuild_str(&b, line);
    }
    return text(rg_jbuild_done(&b));
}

rg_jval rg_jf_center(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const rg_jval width = arg[0].kind == RG_J_MISSING ? rg_jint(80) : arg[0];
    const rg_jstr *s = rg_jval_str(run, v);
    const rg_jstr name = {.data = "center", .size = 6};
    const rg_jargs args = {.pos = &width, .n_pos = 1};
    return rg_jmethod_call(run, rg_jmethod_find(RG_J_STRING, &name), text(s), &args);
}

rg_jval rg_jf_truncate(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const size_t n_chars = rg_jval_length(run, v);
    const rg_jstr *end =
        arg[2].kind == RG_J_MISSING ? rg_jstr_c(run, "...") : rg_jval_str(run, arg[2]);
    const bool has_leeway = arg[3].kind != RG_J_MISSING && arg[3].kind != RG_J_NONE;
    const int64_t length =
        arg[0].kind == RG_J_MISSING ? 255 : rg_jval_int(run, arg[0], "truncate()");
    const int64_t leeway = has_leeway ? rg_jval_int(run, arg[3], "truncate(): leeway") : 5;
    if (length < (int64_t)end->n_chars || leeway < 0) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "truncate() to %lld characters", (long long)length);
    }
    if (rg_jfailed(run) || (int64_t)n_chars - leeway <= length) {
        return v;
    }
    if (v.kind != RG_J_STRING) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "truncate() of %s", rg_jval_type(v));
        return rg_jnone();
    }
    const rg_jstr *s = v.str;
    size_t cut = rg_jstr_offset(run, s, (size_t)length - end->n_chars);
    if (!rg_jval_is_true(arg[1])) {
        const char *space = cut == 0 ? NULL : memrchr(s->data, ' ', cut);
        cut = space == NULL ? cut : (size_t)(space - s->data);
    }
    return text(rg_jstr_join(run, rg_jstr_part(run, s, 0, cut), end));
}

rg_jval rg_jf_wordcount(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    const rg_jstr *s = rg_jval_str(run, v);
    int64_t n = 0;
    bool in_word = false;
    rg_jsteps(run, s->size / 8);
    for (size_t i = 0; i < s->size;) {
        uint32_t cp = 0;
        i += rg_utf8_decode((rg_str){s->data + i, s->size - i}, &cp);
        const bool is_word = cp == '_' || rg_jchar_is_alpha(cp) || rg_jchar_is_numeric(cp);
        n += is_word && !in_word;
        in_word = is_word;
    }
    return rg_jint(n);
}

rg_jval rg_jf_escape(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    const rg_jstr *s = rg_jval_str(run, v);
    rg_jbuild b = {.run = run};
    for (size_t i = 0; i < s->size && !rg_jfailed(run); i++) {
        const char *out = s->data[i] == '&'    ? "&amp;"
                          : s->data[i] == '<'  ? "&lt;"
                          : s->data[i] == '>'  ? "&gt;"
                          : s->data[i] == '"'  ? "&#34;"
                          : s->data[i] == '\'' ? "&#39;"
                                               : NULL;
        const uint8_t origin = s->marks == NULL ? s->origin : s->marks[i];
        if (out != NULL) {
            rg_jbuild_put(&b, out, strlen(out), origin);
        } else {
            rg_jbuild_put(&b, s->data + i, 1, origin);
        }
    }
    rg_jsteps(run, s->size / 8);
    return text(rg_jbuild_done(&b));
}

/* Percent-encoding; in a query also of slashes, and spaces become plus signs. */
static void put_quoted(rg_jbuild *b, const rg_jstr *s, bool is_query) {
    for (size_t i = 0; i < s->size && !rg_jfailed(b->run); i++) {
        const uint8_t c = (uint8_t)s->data[i];
        const bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                              (c >= 'a' && c <= 'z') || (c != 0 && strchr("_.-~", c) != NULL) ||
                              (c == '/' && !is_query);
        const uint8_t origin = s->marks == NULL ? s->origin : s->marks[i];
        char out[4] = {(char)c};
        if (is_query && c == ' ') {
            out[0] = '+';
        } else if (!is_plain) {
            snprintf(out, sizeof out, "%%%02X", c);
        }
        rg_jbuild_put(b, out, strlen(out), origin);
    }
    rg_jsteps(b->run, s->size / 8);
}

/* A text, or the pairs of a mapping or sequence as a query. */
rg_jval rg_jf_urlencode(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    rg_jbuild b = {.run = run};
    const bool is_pairs = rg_jval_is_seq(v) || v.kind == RG_J_DICT || v.kind == RG_J_VIEW ||
                          v.kind == RG_J_ITERATOR || v.kind == RG_J_RANGE;
    if (!is_pairs) {
        put_quoted(&b, rg_jval_str(run, v), false);
        return text(rg_jbuild_done(&b));
    }
    const rg_jlist *pairs =
        v.kind == RG_J_DICT ? rg_jdict_list(run, v.dict, 0) : rg_jval_items(run, v);
    for (size_t i = 0; i < pairs->n && !rg_jfailed(run); i++) {
        const rg_jlist *pair = rg_jval_items(run, pairs->items[i]);
        if (rg_jfailed(run) || pair->n != 2) {
            rg_jfail(run, RG_TEMPLATE_TYPE, "urlencode() of what is no pair");
            break;
        }
        rg_jbuild_c(&b, i == 0 ? "" : "&");
        put_quoted(&b, rg_jval_str(run, pair->items[0]), true);
        rg_jbuild_c(&b, "=");
        put_quoted(&b, rg_jval_str(run, pair->items[1]), true);
    }
    return text(rg_jbuild_done(&b));
}

rg_jval rg_jf_format(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    if (raw->n_pos != 0 && raw->n_named != 0) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "format() takes positional or named arguments, not both");
        return rg_jnone();
    }
    rg_jval values = rg_jnone();
    if (raw->n_named != 0) {
        values = rg_jfunction_call(run, rg_jfunction_find(RG_STR("dict")), raw);
    } else {
        rg_jlist *list = rg_jlist_new(run, raw->n_pos);
        for (size_t i = 0; i < raw->n_pos; i++) {
            rg_jlist_push(run, list, raw->pos[i]);
        }
        values = rg_jseq(RG_J_TUPLE, list);
    }
    return rg_jformat(run, rg_jval_str(run, v), values);
}

rg_jval rg_jf_tojson(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const bool has_indent = arg[1].kind != RG_J_MISSING && arg[1].kind != RG_J_NONE;
    rg_jjson_options options = {
        .is_ascii = rg_jval_is_true(arg[0]),
        .is_sorted = rg_jval_is_true(arg[3]),
        .indent = has_indent ? indentation(run, arg[1], 0) : NULL,
        .comma = rg_jstr_c(run, has_indent ? "," : ", "),
        .colon = rg_jstr_c(run, ": "),
    };
    if (rg_jval_is_seq(arg[2]) && arg[2].list->n == 2 &&
        arg[2].list->items[0].kind == RG_J_STRING && arg[2].list->items[1].kind == RG_J_STRING) {
        options.comma = arg[2].list->items[0].str;
        options.colon = arg[2].list->items[1].str;
    } else if (arg[2].kind != RG_J_MISSING && arg[2].kind != RG_J_NONE) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "tojson(): separators are two texts");
    }
    rg_jbuild b = {.run = run};
    rg_jtext_json(&b, v, &options);
    return text(rg_jbuild_done(&b));
}

rg_jval rg_jf_from_json(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    if (v.kind == RG_J_UNDEFINED) {
        rg_jfail_undefined(run, v);
    } else if (v.kind != RG_J_STRING) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "the JSON object must be str, not %s", rg_jval_type(v));
    }
    const rg_json *json = NULL;
    rg_error err = {0};
    if (rg_jfailed(run)) {
        return rg_jnone();
    }
    rg_jsteps(run, v.str->size / 4);
    const rg_status status = rg_json_parse(&run->arena, rg_jstr_str(v.str), &json, &err);
    if (status == RG_E_MEMORY) {
        rg_jfail(run, RG_TEMPLATE_MEMORY, "from_json(): %.200s", err.text);
    } else if (status != RG_OK) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "from_json(): %.200s", err.text);
    }
    return rg_jval_from_json(run, json, rg_jstr_origin(v.str));
}
