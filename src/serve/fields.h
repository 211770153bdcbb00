/* Fields of a request: each is there with the right type and in its range, or absent (null is
 * absent too), or a fault that names it. */
#pragma once

#include "format/json.h"
#include "serve/fault.h"

/** Every reader: true with *has false when the field is absent, and *out as it was. */
bool rg_field_real(const rg_json *object, const char *name, double min, double max, bool *has,
                   double *out, rg_fault *fault);
bool rg_field_int(const rg_json *object, const char *name, int64_t min, int64_t max, bool *has,
                  int64_t *out, rg_fault *fault);
/** Absent: *out stays as it was. */
bool rg_field_bool(const rg_json *object, const char *name, bool *out, rg_fault *fault);
bool rg_field_text(const rg_json *object, const char *name, bool *has, rg_str *out,
                   rg_fault *fault);
/** A value of this kind, borrowed; NULL: absent. */
bool rg_field_of(const rg_json *object, const char *name, rg_json_kind kind, const rg_json **out,
                 rg_fault *fault);
/** A member that is there and not null; NULL: absent. */
const rg_json *rg_field_find(const rg_json *object, const char *name);
/** "an object", for sentences. */
const char *rg_json_kind_name(rg_json_kind kind);
