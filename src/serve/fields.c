#include "serve/fields.h"

#include <math.h>

const rg_json *rg_field_find(const rg_json *object, const char *name) {
    const rg_json *field = rg_json_find(object, name);
    return field == NULL || field->kind == RG_JSON_NULL ? NULL : field;
}

const char *rg_json_kind_name(rg_json_kind kind) {
    static const char *const names[] = {"null", "true or false", "a number",
                                        "text", "a list",        "an object"};
    return names[kind];
}

static bool is_wrong(const rg_json *field, const char *name, const char *wanted, rg_fault *fault) {
    return rg_fault_set(fault, 400, name, "\"%s\" is %s, it must be %s", name,
                        rg_json_kind_name(field->kind), wanted);
}

bool rg_field_real(const rg_json *object, const char *name, double min, double max, bool *has,
                   double *out, rg_fault *fault) {
    const rg_json *field = rg_field_find(object, name);
    double value = 0;
    *has = false;
    if (field == NULL) {
        return true;
    }
    if (field->kind != RG_JSON_NUMBER) {
        return is_wrong(field, name, "a number", fault);
    }
    if (!rg_json_f64(field, &value) || !isfinite(value) || value < min || value > max) {
        return rg_fault_set(fault, 400, name, "\"%s\" is %.*s, it must be a number from %g to %g",
                            name, (int)(field->text.size > 40 ? 40 : field->text.size),
                            field->text.data, min, max);
    }
    *has = true;
    *out = value;
    return true;
}

bool rg_field_int(const rg_json *object, const char *name, int64_t min, int64_t max, bool *has,
                  int64_t *out, rg_fault *fault) {
    const rg_json *field = rg_field_find(object, name);
    int64_t value = 0;
    *has = false;
    if (field == NULL) {
        return true;
    }
    if (field->kind != RG_JSON_NUMBER) {
        return is_wrong(field, name, "a whole number", fault);
    }
    if (!rg_json_i64(field, &value) || value < min || value > max) {
        return rg_fault_set(fault, 400, name,
                            "\"%s\" is %.*s, it must be a whole number from %lld to %lld", name,
                            (int)(field->text.size > 40 ? 40 : field->text.size), field->text.data,
                            (long long)min, (long long)max);
    }
    *has = true;
    *out = value;
    return true;
}

bool rg_field_bool(const rg_json *object, const char *name, bool *out, rg_fault *fault) {
    const rg_json *field = rg_field_find(object, name);
    return field == NULL || rg_json_bool(field, out) ||
           is_wrong(field, name, "true or false", fault);
}

bool rg_field_text(const rg_json *object, const char *name, bool *has, rg_str *out,
                   rg_fault *fault) {
    const rg_json *field = rg_field_find(object, name);
    *has = rg_json_str(field, out);
    return field == NULL || *has || is_wrong(field, name, "text", fault);
}

bool rg_field_of(const rg_json *object, const char *name, rg_json_kind kind, const rg_json **out,
                 rg_fault *fault) {
    *out = rg_field_find(object, name);
    return *out == NULL || (*out)->kind == kind ||
           is_wrong(*out, name, rg_json_kind_name(kind), fault);
}
