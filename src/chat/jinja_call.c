#include "chat/jinja_run.h"

#include "base/utf8.h"

#include <locale.h>
#include <stdio.h>
#include <time.h>

/* The place of a name in "width first blank", or -1. */
static int find_param(const char *params, rg_str name) {
    int at = 0;
    for (const char *p = params; *p != '\0'; at++) {
        const size_t n = strcspn(p, " ");
        if (rg_str_eq((rg_str){p, n}, name)) {
            return at;
        }
        p += n + (p[n] == ' ');
    }
    return -1;
}

static size_t count_params(const char *params) {
    size_t n = params[0] != '\0';
    for (const char *p = params; *p != '\0'; p++) {
        n += *p == ' ';
    }
    return n;
}

bool rg_jargs_bind(rg_jrun *run, const char *name, const char *params, size_t n_required,
                   const rg_jargs *args, rg_jval *out) {
    const size_t n = count_params(params);
    memset(out, 0, RG_J_PARAMS_MAX * sizeof *out);
    if (args->n_pos > n) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "%s() takes %zu arguments, %zu are given", name, n,
                 args->n_pos);
    }
    for (size_t i = 0; i < args->n_pos && i < n; i++) {
        out[i] = args->pos[i];
    }
    for (size_t i = 0; i < args->n_named; i++) {
        const rg_jstr *key = args->named[2 * i].str;
        const int at = find_param(params, rg_jstr_str(key));
        if (at < 0 || out[at].kind != RG_J_MISSING) {
            rg_jfail(run, RG_TEMPLATE_TYPE, "%s() got an unexpected argument '%.*s'", name,
                     RG_J_FMT(key));
            return false;
        }
        out[at] = args->named[2 * i + 1];
    }
    for (size_t i = 0; i < n_required; i++) {
        if (out[i].kind == RG_J_MISSING) {
            rg_jfail(run, RG_TEMPLATE_TYPE, "%s() lacks an argument", name);
        }
    }
    return !rg_jfailed(run);
}

static bool name_is(rg_jrun *run, const rg_jval *named, uint32_t name) {
    return rg_str_eq(rg_jstr_str(named->str), rg_jstr_str(run->tmpl->names[name]));
}

void rg_jmacro_bind(rg_jrun *run, const rg_jmacro_def *def, const rg_jargs *args) {
    if (args->n_pos > def->n_params && !def->has_varargs) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "macro '%.*s' takes not more than %u arguments",
                 RG_J_FMT(def->name), def->n_params);
        return;
    }
    for (uint32_t i = 0; i < def->n_params; i++) {
        const rg_jval missing = {.kind = RG_J_MISSING};
        rg_jstore(run, def->params[i], i < args->n_pos ? args->pos[i] : missing);
    }
    if (def->has_varargs) {
        rg_jlist *rest = rg_jlist_new(run, 0);
        for (size_t i = def->n_params; i < args->n_pos; i++) {
            rg_jlist_push(run, rest, args->pos[i]);
        }
        rg_jstore(run, RG_J_NAME_VARARGS, rg_jseq(RG_J_TUPLE, rest));
    }
    rg_jdict *others = def->has_kwargs ? rg_jdict_new(run) : NULL;
    for (size_t i = 0; i < args->n_named && !rg_jfailed(run); i++) {
        const rg_jval *named = &args->named[2 * i];
        bool is_param = false;
        for (uint32_t k = (uint32_t)args->n_pos; k < def->n_params && !is_param; k++) {
            is_param = name_is(run, named, def->params[k]);
            if (is_param) {
                rg_jstore(run, def->params[k], named[1]);
            }
        }
        if (!is_param && name_is(run, named, RG_J_NAME_CALLER)) {
            rg_jstore(run, RG_J_NAME_CALLER, named[1]);
        } else if (!is_param && others != NULL) {
            rg_jdict_set(run, others, named[0], named[1]);
        } else if (!is_param) {
            rg_jfail(run, RG_TEMPLATE_TYPE, "macro '%.*s' takes no keyword argument '%.*s'",
                     RG_J_FMT(def->name), RG_J_FMT(named->str));
        }
    }
    if (others != NULL) {
        rg_jstore(run, RG_J_NAME_KWARGS, rg_jmap(others));
    }
}

static rg_jval item_or_undefined(rg_jrun *run, const rg_jloop *loop, size_t at, const char *name) {
    if (at < loop->items->n) {
        return loop->items->items[at];
    }
    return rg_jundef(run, rg_jstr_c(run, name), "loop");
}

rg_jval rg_jloop_attr(rg_jrun *run, rg_jloop *loop, const rg_jstr *name) {
    const int64_t index = (int64_t)loop->at;
    const int64_t n = (int64_t)loop->items->n;
    const struct {
        const char *name;
        rg_jval value;
    } parts[] = {
        {"index", rg_jint(index)},
        {"index0", rg_jint(index - 1)},
        {"first", rg_jbool(index == 1)},
        {"last", rg_jbool(index >= n)},
        {"length", rg_jint(n)},
        {"revindex", rg_jint(n - index + 1)},
        {"revindex0", rg_jint(n - index)},
        {"depth", rg_jint((int64_t)loop->depth0 + 1)},
        {"depth0", rg_jint((int64_t)loop->depth0)},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (rg_str_is(rg_jstr_str(name), parts[i].name)) {
            return parts[i].value;
        }
    }
    if (rg_str_is(rg_jstr_str(name), "previtem")) {
        return item_or_undefined(run, loop, (size_t)(index - 2), "previtem");
    }
    if (rg_str_is(rg_jstr_str(name), "nextitem")) {
        return item_or_undefined(run, loop, (size_t)index, "nextitem");
    }
    return (rg_jval){.kind = RG_J_MISSING};
}

bool rg_jloop_call(rg_jrun *run, rg_jloop *loop, const rg_jstr *name, const rg_jargs *args,
                   rg_jval *out) {
    if (rg_str_is(rg_jstr_str(name), "cycle")) {
        if (args->n_pos == 0) {
            rg_jfail(run, RG_TEMPLATE_TYPE, "no items for cycling given");
            return true;
        }
        *out = args->pos[(loop->at - 1) % args->n_pos];
        return true;
    }
    if (rg_str_is(rg_jstr_str(name), "changed")) {
        rg_jlist *now = rg_jlist_new(run, args->n_pos);
        for (size_t i = 0; i < args->n_pos; i++) {
            rg_jlist_push(run, now, args->pos[i]);
        }
        const rg_jval values = rg_jseq(RG_J_TUPLE, now);
        *out = rg_jbool(!rg_jval_equal(run, values, loop->last_changed));
        loop->last_changed = values;
        return true;
    }
    return false;
}

// global functions

typedef rg_jval function_fn(rg_jrun *run, const rg_jargs *args);

/* dict(...) and namespace(...): pairs of the mapping given, then the named arguments. */
static rg_jdict *make_dict(rg_jrun *run, const char *name, const rg_jargs *args) {
    rg_jdict *dict = rg_jdict_new(run);
    if (args->n_pos > 1) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "%s() takes one mapping", name);
    } else if (args->n_pos == 1 &&
               (args->pos[0].kind == RG_J_DICT || args->pos[0].kind == RG_J_NAMESPACE)) {
        dict = rg_jdict_copy(run, args->pos[0].dict);
    } else if (args->n_pos == 1) {
        const rg_jlist *pairs = rg_jval_items(run, args->pos[0]);
        for (size_t i = 0; i < pairs->n && !rg_jfailed(run); i++) {
            const rg_jlist *pair = rg_jval_items(run, pairs->items[i]);
            if (!rg_jfailed(run) && pair->n != 2) {
                rg_jfail(run, RG_TEMPLATE_TYPE, "%s(): an item is no pair", name);
            }
            if (!rg_jfailed(run)) {
                rg_jdict_set(run, dict, pair->items[0], pair->items[1]);
            }
        }
    }
    for (size_t i = 0; i < args->n_named && !rg_jfailed(run); i++) {
        rg_jdict_set(run, dict, args->named[2 * i], args->named[2 * i + 1]);
    }
    return dict;
}

static rg_jval call_dict(rg_jrun *run, const rg_jargs *args) {
    return rg_jmap(make_dict(run, "dict", args));
}

static rg_jval call_namespace(rg_jrun *run, const rg_jargs *args) {
    return (rg_jval){.kind = RG_J_NAMESPACE, .dict = make_dict(run, "namespace", args)};
}

static rg_jval call_range(rg_jrun *run, const rg_jargs *args) {
    // beyond 2^53 no template counts, and sums of these stay within 64 bits
    const int64_t most = INT64_C(1) << 53;
    rg_jval arg[RG_J_PARAMS_MAX];
    if (!rg_jargs_bind(run, "range", "start stop step", 1, args, arg)) {
        return rg_jnone();
    }
    int64_t at[3] = {0, 0, 1};
    for (size_t i = 0; i < 3 && arg[i].kind != RG_J_MISSING; i++) {
        at[i] = rg_jval_int(run, arg[i], "range()");
        if (at[i] > most || at[i] < -most) {
            rg_jfail(run, RG_TEMPLATE_LIMIT, "range() beyond 2^53");
        }
    }
    if (arg[1].kind == RG_J_MISSING) {
        at[1] = at[0];
        at[0] = 0;
    }
    if (at[2] == 0) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "range() arg 3 must not be zero");
    }
    if (rg_jfailed(run)) {
        return rg_jnone();
    }
    const int64_t span = at[2] > 0 ? at[1] - at[0] : at[0] - at[1];
    const int64_t width = at[2] > 0 ? at[2] : -at[2];
    const int64_t n = span <= 0 ? 0 : (span - 1) / width + 1;
    if (n > (int64_t)RG_TEMPLATE_RANGE_MAX) {
        rg_jfail(run, RG_TEMPLATE_LIMIT, "range() of %lld items, limit %u (RG_TEMPLATE_RANGE_MAX)",
                 (long long)n, RG_TEMPLATE_RANGE_MAX);
    }
    rg_jrange *range = rg_jalloc(run, sizeof *range);
    if (range == NULL) {
        return rg_jnone();
    }
    *range = (rg_jrange){.start = at[0], .step = at[2], .n = (size_t)n};
    return (rg_jval){.kind = RG_J_RANGE, .range = range};
}

static rg_jval call_raise(rg_jrun *run, const rg_jargs *args) {
    rg_jval arg[RG_J_PARAMS_MAX];
    if (rg_jargs_bind(run, "raise_exception", "message", 1, args, arg)) {
        const rg_jstr *text = rg_jval_str(run, arg[0]);
        if (!rg_jfailed(run)) {
            run->raised = text;
            rg_jfail(run, RG_TEMPLATE_RAISED, "%.*s", (int)(text->size > 400 ? 400 : text->size),
                     text->data);
        }
    }
    return rg_jnone();
}

static rg_jval call_strftime(rg_jrun *run, const rg_jargs *args) {
    rg_jval arg[RG_J_PARAMS_MAX];
    if (!rg_jargs_bind(run, "strftime_now", "format", 1, args, arg)) {
        return rg_jnone();
    }
    if (arg[0].kind != RG_J_STRING) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "strftime_now() takes a text, not %s",
                 rg_jval_type(arg[0]));
        return rg_jnone();
    }
    char format[RG_TEMPLATE_FORMAT_BYTES_MAX + 1];
    if (arg[0].str->size > RG_TEMPLATE_FORMAT_BYTES_MAX) {
        rg_jfail(run, RG_TEMPLATE_LIMIT, "a time format of %zu bytes, limit %u", arg[0].str->size,
                 RG_TEMPLATE_FORMAT_BYTES_MAX);
        return rg_jnone();
    }
    memcpy(format, arg[0].str->data, arg[0].str->size);
    format[arg[0].str->size] = '\0';

    const time_t now = run->clock.is_fixed ? (time_t)run->clock.unix_s : time(NULL);
    struct tm parts = {0};
    if ((run->clock.is_fixed ? gmtime_r(&now, &parts) : localtime_r(&now, &parts)) == NULL) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "strftime_now(): no such time");
        return rg_jnone();
    }
    char text[4 * RG_TEMPLATE_FORMAT_BYTES_MAX];
    const locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    const size_t n = strftime_l(text, sizeof text, format, &parts, plain);
    freelocale(plain);
    if (!rg_utf8_is_valid((rg_str){text, n})) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "strftime_now(): the result is not UTF-8");
        return rg_jnone();
    }
    return rg_jtext(rg_jstr_copy(run, (rg_str){text, n}, rg_jstr_origin(arg[0].str)));
}

static const struct {
    const char *name;
    function_fn *fn;
} functions[] = {
    {"dict", call_dict},   {"namespace", call_namespace},   {"raise_exception", call_raise},
    {"range", call_range}, {"strftime_now", call_strftime},
};

int rg_jfunction_find(rg_str name) {
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (rg_str_is(name, functions[i].name)) {
            return (int)i;
        }
    }
    return RG_J_NO_ROW;
}

rg_jval rg_jfunction_call(rg_jrun *run, int row, const rg_jargs *args) {
    return functions[row].fn(run, args);
}
