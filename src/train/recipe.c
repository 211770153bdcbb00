#include "train/recipe.h"

#include "base/file.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

/** A recipe being read. */
typedef struct reader {
    rg_recipe *r;
    const char *path;
    char dir[4096];
    rg_error *err;
} reader;

typedef enum kind { COUNT32, COUNT64, SIZE, REAL, FLOAT, FLAG } kind;

/** A field that is a number: where it goes and what it may be. */
typedef struct field {
    const char *name;
    size_t offset; // in rg_recipe
    kind kind;
    double min;
    double max;
    bool is_required;
} field;

#define AT(member) offsetof(rg_recipe, member)

// clang-format off
static const field model_fields[] = {
    {"layers",     AT(model.n_layer),   COUNT32, 1, RG_LAYERS_MAX, true},
    {"hidden",     AT(model.n_embd),    COUNT32, 1, 1 << 16,       true},
    {"heads",      AT(model.n_head),    COUNT32, 1, 1 << 12,       true},
    {"kv_heads",   AT(model.n_kv_head), COUNT32, 1, 1 << 12,       false},
    {"head_dim",   AT(model.head_dim),  COUNT32, 2, 1 << 10,       false},
    {"ffn",        AT(model.n_ff),      COUNT32, 1, 1 << 18,       true},
    {"context",    AT(model.n_ctx),     COUNT32, 1, 1 << 24,       true},
    {"tied",       AT(model.is_tied),   FLAG,    0, 1,             false},
    {"rope_theta", AT(model.rope_base), REAL,    1, 1e12,          false},
    {"norm_eps",   AT(model.norm_eps),  REAL,    1e-12, 1,         false},
};

static const field tokenizer_fields[] = {
    {"vocab", AT(model.n_vocab), COUNT32, 257, RG_TOKENIZER_VOCAB_MAX, false},
    {"lines", AT(vocab_lines),   COUNT64, 1, 1e12,                     false},
};

static const field root_fields[] = {
    {"valid",            AT(valid_share),                 REAL,    0, 0.5,   false},
    {"batch",            AT(n_rows),                      SIZE,    1, 65536, false},
    {"seq_len",          AT(seq_len),                     SIZE,    2, 1 << 20, false},
    {"accumulate",       AT(fit.n_accumulate),            SIZE,    1, 65536, false},
    {"recompute",        AT(recompute),                   FLAG,    0, 1,     false},
    {"steps",            AT(fit.schedule.n_steps),        COUNT64, 1, 1e12,  true},
    {"lr",               AT(fit.schedule.peak),           REAL,    0, 10,    false},
    {"min_lr",           AT(fit.schedule.least),          REAL,    0, 10,    false},
    {"warmup",           AT(fit.schedule.n_warmup),       COUNT64, 0, 1e12,  false},
    {"decay",            AT(fit.schedule.n_decay),        COUNT64, 0, 1e12,  false},
    {"weight_decay",     AT(fit.optimizer.weight_decay),  FLOAT,   0, 10,    false},
    {"beta1",            AT(fit.optimizer.beta1),         FLOAT,   0, 0.99999, false},
    {"beta2",            AT(fit.optimizer.beta2),         FLOAT,   0, 0.9999999, false},
    {"momentum",         AT(fit.optimizer.momentum),      FLOAT,   0, 0.99999, false},
    {"eps",              AT(fit.optimizer.eps),           FLOAT,   1e-20, 1, false},
    {"clip",             AT(fit.optimizer.max_grad_norm), FLOAT,   0, 1e9,   false},
    {"valid_every",      AT(fit.valid_every),             COUNT64, 0, 1e12,  false},
    {"patience",         AT(fit.patience),                COUNT64, 0, 1e6,   false},
    {"checkpoint_every", AT(fit.checkpoint_every),        COUNT64, 0, 1e12,  false},
    {"seed",             AT(seed),                        COUNT64, 0, 9e15,  false},
};
// clang-format on

#define N(table) (sizeof(table) / sizeof *(table))

static rg_status bad(const reader *x, const char *where, const char *name, const char *why) {
    return rg_fail(x->err, RG_E_FORMAT, "%s: \"%s%s\" %s", x->path, where, name, why);
}

static void store(rg_recipe *r, const field *f, double v) {
    void *at = (char *)r + f->offset;
    switch (f->kind) {
    case COUNT32:
        *(uint32_t *)at = (uint32_t)v;
        break;
    case COUNT64:
        *(uint64_t *)at = (uint64_t)v;
        break;
    case SIZE:
        *(size_t *)at = (size_t)v;
        break;
    case REAL:
        *(double *)at = v;
        break;
    case FLOAT:
        *(float *)at = (float)v;
        break;
    case FLAG:
        *(bool *)at = v != 0;
        break;
    }
}

static rg_status read_field(const reader *x, const char *where, const rg_json *from,
                            const field *f) {
    char why[128];
    double v = 0;
    bool flag = false;
    const rg_json *value = rg_json_find(from, f->name);
    if (value == NULL) {
        return f->is_required ? bad(x, where, f->name, "is missing") : RG_OK;
    }
    if (f->kind == FLAG) {
        if (!rg_json_bool(value, &flag)) {
            return bad(x, where, f->name, "is neither true nor false");
        }
        v = flag;
    } else if (!rg_json_f64(value, &v) || !(v >= f->min && v <= f->max) ||
               ((f->kind == COUNT32 || f->kind == COUNT64 || f->kind == SIZE) && v != floor(v))) {
        snprintf(why, sizeof why, "must be a%s number from %.9g to %.9g",
                 f->kind == REAL || f->kind == FLOAT ? "" : " whole", f->min, f->max);
        return bad(x, where, f->name, why);
    }
    store(x->r, f, v);
    return RG_OK;
}

static rg_status read_fields(const reader *x, const char *where, const rg_json *from,
                             const field *fields, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const rg_status status = read_field(x, where, from, &fields[i]);
        if (status != RG_OK) {
            return status;
        }
    }
    return RG_OK;
}

// a field that nothing reads is a mistake of whoever wrote it
static rg_status check_names(const reader *x, const char *where, const rg_json *object,
                             const field *fields, size_t n, const char *const *others,
                             size_t n_others) {
    for (size_t i = 0; i < object->n; i++) {
        bool is_known = false;
        for (size_t k = 0; k < n; k++) {
            is_known = is_known || rg_str_is(object->keys[i], fields[k].name);
        }
        for (size_t k = 0; k < n_others; k++) {
            is_known = is_known || rg_str_is(object->keys[i], others[k]);
        }
        if (!is_known) {
            char name[128];
            snprintf(name, sizeof name, "%.*s", RG_FMT(object->keys[i]));
            return bad(x, where, name, "is no field of a recipe");
        }
    }
    return RG_OK;
}

// ---- text and paths ----

// a path of the file, from where the program runs; in the recipe's arena
static rg_status resolve(const reader *x, rg_str name, const char **out) {
    char path[4096];
    rg_status status = RG_OK;
    if (name.size > 0 && name.data[0] == '/') {
        *out = rg_arena_copy(&x->r->arena, name.data, name.size);
    } else {
        status = rg_path_join(path, sizeof path, x->dir, name, x->err);
        *out = status == RG_OK ? rg_arena_copy(&x->r->arena, path, strlen(path)) : NULL;
    }
    if (status == RG_OK && *out == NULL) {
        status = rg_fail(x->err, RG_E_MEMORY, "no memory for a recipe");
    }
    return status;
}

static rg_status read_text_file(const reader *x, const char *path, rg_str *out) {
    rg_bytes bytes = {0};
    rg_status status = rg_file_read(x->r->mem, path, RG_RECIPE_FILE_MAX, &bytes, x->err);
    if (status == RG_OK) {
        const char *copy = rg_arena_copy(&x->r->arena, (const char *)bytes.data, bytes.size);
        *out = (rg_str){copy, bytes.size};
        status = copy == NULL ? rg_fail(x->err, RG_E_MEMORY, "no memory for %s", path) : RG_OK;
    }
    rg_free(x->r->mem, (void *)bytes.data);
    return status;
}

static rg_status read_data(const reader *x, const rg_json *list) {
    rg_str name = {0};
    const bool is_one = rg_json_str(list, &name);
    const size_t n = is_one ? 1 : list != NULL && list->kind == RG_JSON_ARRAY ? list->n : 0;
    if (n == 0 || n > RG_RECIPE_LIST_MAX) {
        return bad(x, "", "data", "must be a path or a list of paths");
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_one && !rg_json_str(rg_json_at(list, i), &name)) {
            return bad(x, "", "data", "must be a path or a list of paths");
        }
        const rg_status status = resolve(x, name, &x->r->data[i]);
        if (status != RG_OK) {
            return status;
        }
    }
    x->r->n_data = n;
    return RG_OK;
}

static rg_status read_model(const reader *x, const rg_json *model) {
    static const char *const others[] = {"family"};
    rg_str family = {0};
    if (model == NULL || model->kind != RG_JSON_OBJECT) {
        return bad(x, "", "model", "is missing");
    }
    if (!rg_json_str(rg_json_find(model, "family"), &family)) {
        return bad(x, "model.", "family", "is missing");
    }
    x->r->model.family = rg_arena_copy(&x->r->arena, family.data, family.size);
    if (x->r->model.family == NULL) {
        return rg_fail(x->err, RG_E_MEMORY, "no memory for a recipe");
    }
    const rg_status status =
        check_names(x, "model.", model, model_fields, N(model_fields), others, N(others));
    return status != RG_OK ? status
                           : read_fields(x, "model.", model, model_fields, N(model_fields));
}

// texts that are tokens as they stand
static rg_status read_tokens(const reader *x, const rg_json *t, const char *name, bool is_control) {
    rg_recipe *r = x->r;
    const rg_json *list = rg_json_find(t, name);
    if (list != NULL && list->kind != RG_JSON_ARRAY) {
        return bad(x, "tokenizer.", name, "must be a list of texts");
    }
    for (size_t i = 0; list != NULL && i < list->n; i++) {
        rg_str text = {0};
        if (r->n_specials >= RG_RECIPE_LIST_MAX || !rg_json_str(rg_json_at(list, i), &text)) {
            return bad(x, "tokenizer.", name, "must be a list of texts");
        }
        r->specials[r->n_specials++] = (rg_bpe_special){text, is_control};
    }
    return RG_OK;
}

static rg_status read_tokenizer(const reader *x, const rg_json *t) {
    static const char *const others[] = {"path", "special", "words",        "bos",
                                         "eos",  "pad",     "chat_template"};
    rg_recipe *r = x->r;
    rg_str name = {0};
    rg_status status = RG_OK;
    const char *path = NULL;
    if (t == NULL || t->kind != RG_JSON_OBJECT) {
        return bad(x, "", "tokenizer", "is missing");
    }
    RG_TRY(
        check_names(x, "tokenizer.", t, tokenizer_fields, N(tokenizer_fields), others, N(others)));
    RG_TRY(read_fields(x, "tokenizer.", t, tokenizer_fields, N(tokenizer_fields)));
    if (rg_json_str(rg_json_find(t, "path"), &name)) {
        RG_TRY(resolve(x, name, &r->tokenizer_dir));
    } else if (r->model.n_vocab == 0) {
        status = bad(x, "tokenizer.", "vocab", "is missing");
        goto done;
    }
    RG_TRY(read_tokens(x, t, "special", true));
    RG_TRY(read_tokens(x, t, "words", false));
    (void)rg_json_str(rg_json_find(t, "bos"), &r->bos);
    (void)rg_json_str(rg_json_find(t, "eos"), &r->eos);
    (void)rg_json_str(rg_json_find(t, "pad"), &r->pad);
    if (rg_json_str(rg_json_find(t, "chat_template"), &name)) {
        RG_TRY(resolve(x, name, &path));
        RG_TRY(read_text_file(x, path, &r->chat_template));
    }

done:
    return status;
}

static rg_status read_schedule(const reader *x, const rg_json *root) {
    static const struct {
        const char *name;
        rg_schedule_kind kind;
    } names[] = {{"cosine", RG_SCHEDULE_COSINE},
                 {"wsd", RG_SCHEDULE_WSD},
                 {"linear", RG_SCHEDULE_LINEAR},
                 {"constant", RG_SCHEDULE_CONSTANT}};
    const rg_json *value = rg_json_find(root, "schedule");
    rg_str word = RG_STR("cosine");
    if (value != NULL && !rg_json_str(value, &word)) {
        return bad(x, "", "schedule", "must be cosine, wsd, linear or constant");
    }
    for (size_t i = 0; i < N(names); i++) {
        if (rg_str_is(word, names[i].name)) {
            x->r->fit.schedule.kind = names[i].kind;
            return RG_OK;
        }
    }
    return bad(x, "", "schedule", "must be cosine, wsd, linear or constant");
}

static rg_status read_optimizer(const reader *x, const rg_json *root) {
    const rg_json *value = rg_json_find(root, "optimizer");
    rg_str name = RG_STR("adamw");
    if ((value != NULL && !rg_json_str(value, &name)) ||
        (!rg_str_is(name, "adamw") && !rg_str_is(name, "muon"))) {
        return bad(x, "", "optimizer", "must be adamw or muon");
    }
    x->r->fit.optimizer.kind = rg_str_is(name, "muon") ? RG_OPTIMIZER_MUON : RG_OPTIMIZER_ADAMW;
    return RG_OK;
}

static rg_status read_compute(const reader *x, const rg_json *root) {
    const rg_json *value = rg_json_find(root, "compute");
    rg_str name = RG_STR("f32");
    if ((value != NULL && !rg_json_str(value, &name)) ||
        !rg_compute_of_name(name, &x->r->is_bf16)) {
        return bad(x, "", "compute", "must be f32 or bf16");
    }
    return RG_OK;
}

static rg_status read_root(const reader *x) {
    static const char *const others[] = {"model",     "tokenizer", "data",   "schedule",
                                         "optimizer", "compute",   "comment"};
    rg_status status = RG_OK;
    const rg_json *root = NULL;
    rg_recipe *r = x->r;
    status = rg_json_parse(&r->arena, r->text, &root, x->err);
    if (status != RG_OK) {
        rg_error_prefix(x->err, "%s", x->path);
        goto done;
    }
    if (root->kind != RG_JSON_OBJECT) {
        status = rg_fail(x->err, RG_E_FORMAT, "%s: a recipe is an object", x->path);
        goto done;
    }
    RG_TRY(check_names(x, "", root, root_fields, N(root_fields), others, N(others)));
    RG_TRY(read_fields(x, "", root, root_fields, N(root_fields)));
    RG_TRY(read_model(x, rg_json_find(root, "model")));
    RG_TRY(read_tokenizer(x, rg_json_find(root, "tokenizer")));
    RG_TRY(read_data(x, rg_json_find(root, "data")));
    RG_TRY(read_schedule(x, root));
    RG_TRY(read_optimizer(x, root));
    RG_TRY(read_compute(x, root));
    if (r->seq_len > r->model.n_ctx) {
        status = bad(x, "", "seq_len", "is longer than the model's context");
    }

done:
    return status;
}

static void set_defaults(rg_recipe *r) {
    r->vocab_lines = 50000;
    r->n_rows = 16;
    r->seq_len = 256;
    r->seed = 1;
    r->fit = (rg_fit_options){.schedule = {.peak = 1e-3, .n_warmup = 100},
                              .optimizer = {.beta1 = 0.9f,
                                            .beta2 = 0.95f,
                                            .eps = 1e-8f,
                                            .weight_decay = 0.1f,
                                            .momentum = 0.95f,
                                            .max_grad_norm = 1},
                              .n_accumulate = 1,
                              .valid_every = 500,
                              .checkpoint_every = 200};
}

rg_status rg_recipe_open(const rg_mem *mem, const char *path, rg_recipe **out, rg_error *err) {
    rg_status status = RG_OK;
    rg_recipe *r = rg_new(mem, sizeof *r);
    reader x = {.r = r, .path = path, .err = err};
    if (r == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a recipe");
    }
    r->mem = mem;
    rg_arena_init(&r->arena, mem, 64 << 20);
    set_defaults(r);
    const char *slash = strrchr(path, '/');
    snprintf(x.dir, sizeof x.dir, "%.*s", slash == NULL ? 1 : (int)(slash - path),
             slash == NULL ? "." : path);
    RG_TRY(read_text_file(&x, path, &r->text));
    RG_TRY(read_root(&x));
    *out = r;
    r = NULL;

done:
    rg_recipe_close(r);
    return status;
}

void rg_recipe_close(rg_recipe *r) {
    if (r != NULL) {
        rg_arena_clear(&r->arena);
        rg_free(r->mem, r);
    }
}
