#include "chat/jinja_run.h"

typedef bool test_fn(rg_jrun *run, rg_jval v, const rg_jval *arg);

static bool is_boolean(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)arg;
    return v.kind == RG_J_BOOL;
}
static bool is_callable(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)arg;
    return v.kind == RG_J_MACRO || v.kind == RG_J_FUNCTION || v.kind == RG_J_METHOD ||
           v.kind == RG_J_LOOP || v.kind == RG_J_UNDEFINED;
}
static bool is_defined(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)arg;
    return v.kind != RG_J_UNDEFINED;
}
static bool is_undefined(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)arg;
    return v.kind == RG_J_UNDEFINED;
}
static bool is_none(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)arg;
    return v.kind == RG_J_NONE;
}
static bool is_true(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)arg;
    return v.kind == RG_J_BOOL && v.is_true;
}
static bool is_false(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)arg;
    return v.kind == RG_J_BOOL && !v.is_true;
}
static bool is_integer(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)arg;
    return v.kind == RG_J_INT || v.kind == RG_J_BIG;
}
static bool is_float(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)arg;
    return v.kind == RG_J_FLOAT;
}
static bool is_number(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)arg;
    return rg_jval_is_number(v) || v.kind == RG_J_BIG;
}
static bool is_string(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)arg;
    return v.kind == RG_J_STRING;
}
static bool is_mapping(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)arg;
    return v.kind == RG_J_DICT;
}
static bool is_sequence(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)arg;
    return rg_jval_is_seq(v) || v.kind == RG_J_STRING || v.kind == RG_J_DICT ||
           v.kind == RG_J_RANGE || v.kind == RG_J_UNDEFINED;
}
static bool is_iterable(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    return is_sequence(run, v, arg) || v.kind == RG_J_ITERATOR || v.kind == RG_J_VIEW ||
           v.kind == RG_J_LOOP;
}

static bool has_case(rg_jrun *run, rg_jval v, const char *method) {
    const rg_jstr name = {.data = method, .size = strlen(method)};
    const rg_jargs none = {0};
    const rg_jval text = rg_jtext(rg_jval_str(run, v));
    return rg_jmethod_call(run, rg_jmethod_find(RG_J_STRING, &name), text, &none).is_true;
}
static bool is_lower(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)arg;
    return has_case(run, v, "islower");
}
static bool is_upper(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)arg;
    return has_case(run, v, "isupper");
}

static bool leaves(rg_jrun *run, rg_jval v, rg_jval divisor, int64_t rest) {
    const rg_jval left = rg_jval_math(run, '%', v, divisor);
    return !rg_jfailed(run) && rg_jval_equal(run, left, rg_jint(rest));
}
static bool is_odd(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)arg;
    return leaves(run, v, rg_jint(2), 1);
}
static bool is_even(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)arg;
    return leaves(run, v, rg_jint(2), 0);
}
static bool is_divisible(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    return leaves(run, v, arg[0], 0);
}

static bool is_eq(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    return rg_jval_compare(run, RG_J_EQ, v, arg[0]);
}
static bool is_ne(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    return rg_jval_compare(run, RG_J_NE, v, arg[0]);
}
static bool is_lt(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    return rg_jval_compare(run, RG_J_LT, v, arg[0]);
}
static bool is_le(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    return rg_jval_compare(run, RG_J_LE, v, arg[0]);
}
static bool is_gt(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    return rg_jval_compare(run, RG_J_GT, v, arg[0]);
}
static bool is_ge(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    return rg_jval_compare(run, RG_J_GE, v, arg[0]);
}
static bool is_in(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    return rg_jval_contains(run, arg[0], v);
}

static bool is_same(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    if (v.kind != arg[0].kind) {
        return false;
    }
    const bool is_object = rg_jval_is_seq(v) || v.kind == RG_J_DICT || v.kind == RG_J_UNDEFINED;
    return is_object ? v.list == arg[0].list : rg_jval_equal(run, v, arg[0]);
}

static bool is_escaped(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)v;
    (void)arg;
    return false;
}
static bool is_filter(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)arg;
    return v.kind == RG_J_STRING && rg_jfilter_find(rg_jstr_str(v.str)) != RG_J_NO_ROW;
}
static bool is_test(rg_jrun *run, rg_jval v, const rg_jval *arg) {
    (void)run;
    (void)arg;
    return v.kind == RG_J_STRING && rg_jtest_find(rg_jstr_str(v.str)) != RG_J_NO_ROW;
}

static const struct {
    const char *name;
    test_fn *fn;
    unsigned n_args;
} tests[] = {
    {"!=", is_ne, 1},
    {"<", is_lt, 1},
    {"<=", is_le, 1},
    {"==", is_eq, 1},
    {">", is_gt, 1},
    {">=", is_ge, 1},
    {"boolean", is_boolean, 0},
    {"callable", is_callable, 0},
    {"defined", is_defined, 0},
    {"divisibleby", is_divisible, 1},
    {"eq", is_eq, 1},
    {"equalto", is_eq, 1},
    {"escaped", is_escaped, 0},
    {"even", is_even, 0},
    {"false", is_false, 0},
    {"filter", is_filter, 0},
    {"float", is_float, 0},
    {"ge", is_ge, 1},
    {"greaterthan", is_gt, 1},
    {"gt", is_gt, 1},
    {"in", is_in, 1},
    {"integer", is_integer, 0},
    {"iterable", is_iterable, 0},
    {"le", is_le, 1},
    {"lessthan", is_lt, 1},
    {"lower", is_lower, 0},
    {"lt", is_lt, 1},
    {"mapping", is_mapping, 0},
    {"ne", is_ne, 1},
    {"none", is_none, 0},
    {"number", is_number, 0},
    {"odd", is_odd, 0},
    {"sameas", is_same, 1},
    {"sequence", is_sequence, 0},
    {"string", is_string, 0},
    {"test", is_test, 0},
    {"true", is_true, 0},
    {"undefined", is_undefined, 0},
    {"upper", is_upper, 0},
};

int rg_jtest_find(rg_str name) {
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        if (rg_str_is(name, tests[i].name)) {
            return (int)i;
        }
    }
    return RG_J_NO_ROW;
}

bool rg_jtest_call(rg_jrun *run, int row, rg_jval v, const rg_jargs *args) {
    rg_jval arg[RG_J_PARAMS_MAX];
    const char *params = tests[row].n_args == 0 ? "" : "other";
    return rg_jargs_bind(run, tests[row].name, params, tests[row].n_args, args, arg) &&
           tests[row].fn(run, v, arg);
}
