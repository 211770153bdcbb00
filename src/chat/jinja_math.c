#include "chat/jinja_run.h"

#include <math.h>

static rg_jval fail_overflow(rg_jrun *run) {
    rg_jfail(run, RG_TEMPLATE_LIMIT, "an integer result beyond 64 bits");
    return rg_jnone();
}

static rg_jval fail_types(rg_jrun *run, const char *op, rg_jval a, rg_jval b) {
    if (a.kind == RG_J_UNDEFINED || b.kind == RG_J_UNDEFINED) {
        rg_jfail_undefined(run, a.kind == RG_J_UNDEFINED ? a : b);
    } else if (a.kind == RG_J_BIG || b.kind == RG_J_BIG) {
        return fail_overflow(run);
    } else if (op[0] == '+' && (a.kind == RG_J_STRING || rg_jval_is_seq(a))) {
        rg_jfail(run, RG_TEMPLATE_TYPE, "can only concatenate %s (not \"%s\") to %s",
                 rg_jval_type(a), rg_jval_type(b), rg_jval_type(a));
    } else {
        rg_jfail(run, RG_TEMPLATE_TYPE, "unsupported operand type(s) for %s: '%s' and '%s'", op,
                 rg_jval_type(a), rg_jval_type(b));
    }
    return rg_jnone();
}

static rg_jval fail_zero(rg_jrun *run) {
    rg_jfail(run, RG_TEMPLATE_TYPE, "division by zero");
    return rg_jnone();
}

static rg_jval power_int(rg_jrun *run, int64_t base, int64_t exponent) {
    int64_t result = 1;
    // square and multiply; the last square is not needed and may overflow
    while (exponent > 0) {
        if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) {
            return fail_overflow(run);
        }
        exponent >>= 1;
        if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) {
            return fail_overflow(run);
        }
    }
    return rg_jint(result);
}

static rg_jval math_ints(rg_jrun *run, char op, int64_t a, int64_t b) {
    int64_t r = 0;
    switch (op) {
    case '+':
        return __builtin_add_overflow(a, b, &r) ? fail_overflow(run) : rg_jint(r);
    case '-':
        return __builtin_sub_overflow(a, b, &r) ? fail_overflow(run) : rg_jint(r);
    case '*':
        return __builtin_mul_overflow(a, b, &r) ? fail_overflow(run) : rg_jint(r);
    case '/':
        return b == 0 ? fail_zero(run) : rg_jfloat((double)a / (double)b);
    case 'f':
    case '%':
        if (b == 0) {
            return fail_zero(run);
        }
        if (b == -1) {
            return op == '%' ? rg_jint(0) : a == INT64_MIN ? fail_overflow(run) : rg_jint(-a);
        }
        // Python rounds towards minus infinity, the remainder has the sign of b
        r = a % b;
        if (op == '%') {
            return rg_jint(r != 0 && (r < 0) != (b < 0) ? r + b : r);
        }
        return rg_jint(a / b - (r != 0 && (r < 0) != (b < 0)));
    default:
        if (b >= 0) {
            return power_int(run, a, b);
        }
        return a == 0 ? fail_zero(run) : rg_jfloat(pow((double)a, (double)b));
    }
}

static rg_jval math_floats(rg_jrun *run, char op, double a, double b) {
    switch (op) {
    case '+':
        return rg_jfloat(a + b);
    case '-':
        return rg_jfloat(a - b);
    case '*':
        return rg_jfloat(a * b);
    case '/':
        return b == 0 ? fail_zero(run) : rg_jfloat(a / b);
    case 'f':
    case '%': {
        if (b == 0) {
            return fail_zero(run);
        }
        double rest = fmod(a, b);
        if (rest != 0 && (rest < 0) != (b < 0)) {
            rest += b;
        }
        if (op == '%') {
            return rg_jfloat(rest == 0 ? copysign(0.0, b) : rest);
        }
        // as Python: the quotient of what divides, rounded to the nearest whole number
        const double quotient = (a - rest) / b;
        const double whole = floor(quotient);
        return rg_jfloat(quotient - whole > 0.5 ? whole + 1 : whole);
    }
    default:
        if (a == 0 && b < 0) {
            return fail_zero(run);
        }
        if (a < 0 && b != floor(b)) {
            rg_jfail(run, RG_TEMPLATE_TYPE, "a negative number to a fractional power");
        }
        return rg_jfloat(pow(a, b));
    }
}

/* text * n, list * n */
static rg_jval repeat(rg_jrun *run, rg_jval v, rg_jval count) {
    const int64_t n = rg_jval_int(run, count, "repeat count");
    if (v.kind == RG_J_STRING) {
        rg_jbuild b = {.run = run};
        for (int64_t i = 0; i < n && v.str->size != 0 && !rg_jfailed(run); i++) {
            rg_jsteps(run, 1);
            rg_jbuild_str(&b, v.str);
        }
        return rg_jtext(rg_jbuild_done(&b));
    }
    rg_jlist *list = rg_jlist_new(run, 0);
    for (int64_t i = 0; i < n && v.list->n != 0; i++) {
        for (size_t k = 0; k < v.list->n && !rg_jfailed(run); k++) {
            rg_jlist_push(run, list, v.list->items[k]);
        }
        if (rg_jfailed(run)) {
            break;
        }
    }
    return rg_jseq(v.kind == RG_J_LIST ? RG_J_LIST : RG_J_TUPLE, list);
}

static rg_jval join_lists(rg_jrun *run, rg_jval a, rg_jval b) {
    rg_jlist *list = rg_jlist_new(run, a.list->n + b.list->n);
    for (size_t i = 0; i < a.list->n; i++) {
        rg_jlist_push(run, list, a.list->items[i]);
    }
    for (size_t i = 0; i < b.list->n; i++) {
        rg_jlist_push(run, list, b.list->items[i]);
    }
    return rg_jseq(a.kind == RG_J_LIST ? RG_J_LIST : RG_J_TUPLE, list);
}

rg_jval rg_jval_math(rg_jrun *run, char op, rg_jval a, rg_jval b) {
    const bool a_whole = a.kind == RG_J_INT || a.kind == RG_J_BOOL;
    const bool b_whole = b.kind == RG_J_INT || b.kind == RG_J_BOOL;
    if (a_whole && b_whole) {
        return math_ints(run, op, a.kind == RG_J_BOOL ? a.is_true : a.i64,
                         b.kind == RG_J_BOOL ? b.is_true : b.i64);
    }
    if (rg_jval_is_number(a) && rg_jval_is_number(b)) {
        return math_floats(run, op, rg_jval_f64(a), rg_jval_f64(b));
    }
    if (op == '+') {
        if (a.kind == RG_J_STRING && b.kind == RG_J_STRING) {
            return rg_jtext(rg_jstr_join(run, a.str, b.str));
        }
        if (rg_jval_is_seq(a) && rg_jval_is_seq(b) &&
            (a.kind == RG_J_LIST) == (b.kind == RG_J_LIST)) {
            return join_lists(run, a, b);
        }
    }
    if (op == '*' && b_whole && (a.kind == RG_J_STRING || rg_jval_is_seq(a))) {
        return repeat(run, a, b);
    }
    if (op == '*' && a_whole && (b.kind == RG_J_STRING || rg_jval_is_seq(b))) {
        return repeat(run, b, a);
    }
    if (op == '%' && a.kind == RG_J_STRING) {
        return rg_jformat(run, a.str, b);
    }
    const char name[3] = {op == 'f'   ? '/'
                          : op == 'p' ? '*'
                                      : op,
                          op == 'f'   ? '/'
                          : op == 'p' ? '*'
                                      : '\0',
                          '\0'};
    return fail_types(run, name, a, b);
}

rg_jval rg_jval_negate(rg_jrun *run, rg_jval v, bool is_minus) {
    switch (v.kind) {
    case RG_J_BOOL:
        return rg_jint(is_minus ? -(int64_t)v.is_true : v.is_true);
    case RG_J_INT:
        return !is_minus ? v : v.i64 == INT64_MIN ? fail_overflow(run) : rg_jint(-v.i64);
    case RG_J_FLOAT:
        return is_minus ? rg_jfloat(-v.f64) : v;
    case RG_J_BIG:
        if (is_minus && v.str->data[0] == '-') {
            return (rg_jval){.kind = RG_J_BIG, .str = rg_jstr_part(run, v.str, 1, v.str->size)};
        }
        return !is_minus ? v
                         : (rg_jval){.kind = RG_J_BIG,
                                     .str = rg_jstr_join(run, rg_jstr_c(run, "-"), v.str)};
    case RG_J_UNDEFINED:
        rg_jfail_undefined(run, v);
        return rg_jnone();
    default:
        rg_jfail(run, RG_TEMPLATE_TYPE, "bad operand type for unary %c: '%s'", is_minus ? '-' : '+',
                 rg_jval_type(v));
        return rg_jnone();
    }
}
