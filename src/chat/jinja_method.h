/* Methods of strings, lists and dicts: rows of two tables. */
#pragma once

#include "chat/jinja_run.h"

typedef rg_jval rg_jmethod_fn(rg_jrun *run, rg_jval self, const rg_jval *arg);

typedef struct rg_jmethod_row {
    rg_jkind kind;
    const char *name;
    rg_jmethod_fn *fn;
    const char *params;
    unsigned n_required;
} rg_jmethod_row;

extern const rg_jmethod_row rg_jstr_methods[];
extern const size_t rg_jstr_n_methods;
