#include "chat/jinja_run.h"

static rg_jval filter_length(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    return rg_jint((int64_t)rg_jval_length(run, v));
}

static rg_jval filter_default(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const bool replaces =
        v.kind == RG_J_UNDEFINED || (rg_jval_is_true(arg[1]) && !rg_jval_is_true(v));
    if (!replaces) {
        return v;
    }
    return arg[0].kind == RG_J_MISSING ? rg_jtext(rg_jstr_c(run, "")) : arg[0];
}

static rg_jval filter_same(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)arg;
    (void)raw;
    return v.kind == RG_J_STRING ? v : rg_jtext(rg_jval_str(run, v));
}

static rg_jval filter_attr(rg_jrun *run, rg_jval v, const rg_jval *arg, const rg_jargs *raw) {
    (void)raw;
    const rg_jstr *name = rg_jval_str(run, arg[0]);
    // attributes only: a dict's members are none
    if (v.kind == RG_J_DICT && rg_jmethod_find(RG_J_DICT, name) == RG_J_NO_ROW) {
        return rg_jundef(run, name, "dict object");
    }
    return rg_jval_attr(run, v, name);
}

// sorted by name
static const rg_jfilter filters[] = {
    {"attr", filter_attr, "name", 1},
    {"batch", rg_jf_batch, "linecount fill_with", 1},
    {"capitalize", rg_jf_capitalize, "", 0},
    {"center", rg_jf_center, "width", 0},
    {"count", filter_length, "", 0},
    {"d", filter_default, "default_value boolean", 0},
    {"default", filter_default, "default_value boolean", 0},
    {"dictsort", rg_jf_dictsort, "case_sensitive by reverse", 0},
    {"e", rg_jf_escape, "", 0},
    {"escape", rg_jf_escape, "", 0},
    {"first", rg_jf_first, "", 0},
    {"forceescape", rg_jf_escape, "", 0},
    {"format", rg_jf_format, NULL, 0},
    {"from_json", rg_jf_from_json, "", 0},
    {"groupby", rg_jf_groupby, "attribute default case_sensitive", 1},
    {"indent", rg_jf_indent, "width first blank", 0},
    {"items", rg_jf_items, "", 0},
    {"join", rg_jf_join, "d attribute", 0},
    {"last", rg_jf_last, "", 0},
    {"length", filter_length, "", 0},
    {"list", rg_jf_list, "", 0},
    {"lower", rg_jf_lower, "", 0},
    {"map", rg_jf_map, NULL, 0},
    {"max", rg_jf_max, "case_sensitive attribute", 0},
    {"min", rg_jf_min, "case_sensitive attribute", 0},
    {"reject", rg_jf_reject, NULL, 0},
    {"rejectattr", rg_jf_rejectattr, NULL, 0},
    {"replace", rg_jf_replace, "old new count", 2},
    {"reverse", rg_jf_reverse, "", 0},
    {"safe", filter_same, "", 0},
    {"select", rg_jf_select, NULL, 0},
    {"selectattr", rg_jf_selectattr, NULL, 0},
    {"slice", rg_jf_slice, "slices fill_with", 1},
    {"sort", rg_jf_sort, "reverse case_sensitive attribute", 0},
    {"string", rg_jf_string, "", 0},
    {"sum", rg_jf_sum, "attribute start", 0},
    {"title", rg_jf_title, "", 0},
    {"tojson", rg_jf_tojson, "ensure_ascii indent separators sort_keys", 0},
    {"trim", rg_jf_trim, "chars", 0},
    {"truncate", rg_jf_truncate, "length killwords end leeway", 0},
    {"unique", rg_jf_unique, "case_sensitive attribute", 0},
    {"upper", rg_jf_upper, "", 0},
    {"urlencode", rg_jf_urlencode, "", 0},
    {"wordcount", rg_jf_wordcount, "", 0},
};
enum { N_FILTERS = sizeof filters / sizeof filters[0] };

int rg_jfilter_find(rg_str name) {
    for (int i = 0; i < N_FILTERS; i++) {
        if (rg_str_is(name, filters[i].name)) {
            return i;
        }
    }
    for (size_t i = 0; i < rg_jnumber_n_filters; i++) {
        if (rg_str_is(name, rg_jnumber_filters[i].name)) {
            return N_FILTERS + (int)i;
        }
    }
    return RG_J_NO_ROW;
}

rg_jval rg_jfilter_call(rg_jrun *run, int row, rg_jval v, const rg_jargs *args) {
    const rg_jfilter *filter =
        row < N_FILTERS ? &filters[row] : &rg_jnumber_filters[row - N_FILTERS];
    rg_jval arg[RG_J_PARAMS_MAX];
    rg_jsteps(run, 1);
    if (filter->params == NULL) {
        return filter->fn(run, v, NULL, args);
    }
    if (!rg_jargs_bind(run, filter->name, filter->params, filter->n_required, args, arg)) {
        return rg_jnone();
    }
    return filter->fn(run, v, arg, args);
}
