#include "train/checkpoint.h"

#include "base/buf.h"
#include "format/safetensors.h"
#include "format/safetensors_write.h"

#include <math.h>
#include <stdio.h>

enum { KINDS = 3, NAME_BYTES = RG_WEIGHT_NAME_MAX + 4 };

static const char kind_letter[KINDS] = {'w', 'm', 'v'};

static float *values_of(const rg_param *p, size_t kind) {
    return kind == 0 ? p->w : kind == 1 ? p->m : p->v;
}

rg_status rg_checkpoint_save(const rg_mem *mem, const char *path, rg_trainer *t, rg_str state,
                             rg_error *err) {
    rg_status status = RG_OK;
    const rg_params *params = rg_trainer_params(t);
    const uint64_t n_steps = rg_trainer_steps(t);
    const rg_safetensors_note note = {"format", RG_STR("raga-checkpoint")};
    const size_t n = KINDS * params->n + 2;
    rg_tensor *tensors = rg_new_array(mem, n, sizeof *tensors);
    char(*names)[NAME_BYTES] = rg_new_array(mem, n, sizeof *names);
    if (tensors == NULL || names == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a list of %zu tensors", n);
        goto done;
    }
    tensors[0] = (rg_tensor){.name = RG_STR("steps"),
                             .dtype = RG_DTYPE_I64,
                             .n_dims = 1,
                             .shape = {1},
                             .data = &n_steps,
                             .bytes = sizeof n_steps};
    tensors[1] = (rg_tensor){.name = RG_STR("state"),
                             .dtype = RG_DTYPE_U8,
                             .n_dims = 1,
                             .shape = {state.size},
                             .data = state.data,
                             .bytes = state.size};
    for (size_t i = 0; i < KINDS * params->n; i++) {
        const rg_param *p = &params->list[i / KINDS];
        snprintf(names[i], sizeof names[i], "%c.%s", kind_letter[i % KINDS], p->name);
        tensors[i + 2] = rg_param_tensor(p);
        tensors[i + 2].name = rg_str_of(names[i]);
        tensors[i + 2].data = values_of(p, i % KINDS);
    }
    status = rg_safetensors_write(mem, path, tensors, n, &note, 1, NULL, NULL, err);

done:
    rg_free(mem, tensors);
    rg_free(mem, names);
    return status;
}

static rg_status find(const rg_safetensors *st, const char *path, const rg_param *p, size_t kind,
                      const rg_tensor **out, rg_error *err) {
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%c.%s", kind_letter[kind], p->name);
    const rg_tensor *t = rg_safetensors_find(st, rg_str_of(name));
    if (t == NULL || t->dtype != RG_DTYPE_F32 || rg_tensor_count(t) != p->n) {
        return rg_fail(err, RG_E_FORMAT, "%s: tensor %s is %s: the checkpoint is of another run",
                       path, name, t == NULL ? "missing" : "of another type or shape");
    }
    for (size_t i = 0; i < p->n; i++) {
        float v;
        memcpy(&v, (const char *)t->data + i * sizeof v, sizeof v);
        if (!isfinite(v)) {
            return rg_fail(err, RG_E_FORMAT, "%s: value %zu of tensor %s is not finite", path, i,
                           name);
        }
    }
    *out = t;
    return RG_OK;
}

rg_status rg_checkpoint_load(const rg_mem *mem, const char *path, rg_trainer *t, rg_buf *state,
                             rg_error *err) {
    rg_status status = RG_OK;
    rg_safetensors *st = NULL;
    const rg_params *params = rg_trainer_params(t);
    const rg_tensor *found = NULL;
    uint64_t n_steps = 0;
    RG_TRY(rg_safetensors_open(mem, path, &st, err));
    // everything is looked at before anything is changed
    for (size_t i = 0; i < KINDS * params->n; i++) {
        RG_TRY(find(st, path, &params->list[i / KINDS], i % KINDS, &found, err));
    }
    const rg_tensor *steps = rg_safetensors_find(st, RG_STR("steps"));
    const rg_tensor *saved = rg_safetensors_find(st, RG_STR("state"));
    if (steps == NULL || steps->bytes != sizeof n_steps || saved == NULL ||
        saved->dtype != RG_DTYPE_U8 || rg_safetensors_count(st) != KINDS * params->n + 2) {
        status = rg_fail(err, RG_E_FORMAT, "%s is no checkpoint of this run", path);
        goto done;
    }
    if (saved->bytes > RG_CHECKPOINT_STATE_MAX) {
        status = rg_fail(err, RG_E_LIMIT, "%s: %zu bytes of state, the limit is %u", path,
                         saved->bytes, RG_CHECKPOINT_STATE_MAX);
        goto done;
    }
    rg_buf_put(state, saved->data, saved->bytes);
    RG_TRY(rg_buf_check(state, "a checkpoint's state", err));
    for (size_t i = 0; i < KINDS * params->n; i++) {
        const rg_param *p = &params->list[i / KINDS];
        RG_TRY(find(st, path, p, i % KINDS, &found, err));
        memcpy(values_of(p, i % KINDS), found->data, found->bytes);
    }
    memcpy(&n_steps, steps->data, sizeof n_steps);
    rg_trainer_set_steps(t, n_steps);

done:
    rg_safetensors_close(st);
    return status;
}
