#include "train/check.h"

#include "base/file.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "train/export.h"
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>

enum { BATCHES_MAX = 4096, STEPS_MAX = 65536, PATH_MAX_BYTES = 4096 };

/** A case being run. */
typedef struct check {
    const rg_mem *mem;
    const char *dir;
    const char *out_dir;
    rg_cpu cpu;
    unsigned n_threads;
    rg_arena arena;
    rg_bytes file;
    const rg_json *golden;
    rg_source *source;
    rg_model *model;
    rg_adapter *init; // NULL: the model's own weights are trained
    size_t shape[2];
    int32_t *ids; // [batch][row][position]
    int32_t *targets;
    size_t n_batches;
    rg_optimizer optimizer;
    rg_buf report;
    rg_check_result *result;
    size_t n_compared;
    rg_error *err;
} check;

// ---- reading ----

static rg_status path_in(const check *c, const char *dir, rg_str name, char out[PATH_MAX_BYTES]) {
    return rg_path_join(out, PATH_MAX_BYTES, dir, name, c->err);
}

static rg_status missing(const check *c, const char *field) {
    return rg_fail(c->err, RG_E_FORMAT,
                   "%s/golden.json: \"%s\" is missing or not what it should be", c->dir, field);
}

static rg_status number(const check *c, const rg_json *from, const char *key, double *out) {
    return rg_json_f64(rg_json_find(from, key), out) && isfinite(*out) ? RG_OK : missing(c, key);
}

static rg_status read_golden(check *c) {
    char path[PATH_MAX_BYTES];
    rg_status status = path_in(c, c->dir, RG_STR("golden.json"), path);
    if (status == RG_OK) {
        status = rg_file_read(c->mem, path, RG_CHECK_FILE_MAX, &c->file, c->err);
    }
    if (status == RG_OK) {
        status = rg_json_parse(&c->arena, (rg_str){(const char *)c->file.data, c->file.size},
                               &c->golden, c->err);
        if (status != RG_OK) {
            rg_error_prefix(c->err, "%s", path);
        }
    }
    return status;
}

// one [rows][positions] table of numbers
static rg_status read_table(const check *c, const rg_json *table, const char *name, int32_t *out) {
    for (size_t r = 0; r < c->shape[0]; r++) {
        const rg_json *row = rg_json_at(table, r);
        if (table == NULL || table->n != c->shape[0] || row == NULL || row->n != c->shape[1]) {
            return missing(c, name);
        }
        for (size_t t = 0; t < c->shape[1]; t++) {
            int64_t v = 0;
            if (!rg_json_i64(rg_json_at(row, t), &v) || v < INT32_MIN || v > INT32_MAX) {
                return missing(c, name);
            }
            out[r * c->shape[1] + t] = (int32_t)v;
        }
    }
    return RG_OK;
}

static rg_status read_batches(check *c) {
    const rg_json *list = rg_json_find(c->golden, "batches");
    const rg_json *shape = rg_json_find(c->golden, "shape");
    for (size_t d = 0; d < 2; d++) {
        int64_t n = 0;
        if (!rg_json_i64(rg_json_at(shape, d), &n) || n < 1 || n > (1 << 16)) {
            return missing(c, "shape");
        }
        c->shape[d] = (size_t)n;
    }
    if (list == NULL || list->kind != RG_JSON_ARRAY || list->n == 0 || list->n > BATCHES_MAX) {
        return missing(c, "batches");
    }
    const size_t n = c->shape[0] * c->shape[1];
    c->n_batches = list->n;
    c->ids = rg_new_array(c->mem, list->n * n, sizeof *c->ids);
    c->targets = rg_new_array(c->mem, list->n * n, sizeof *c->targets);
    if (c->ids == NULL || c->targets == NULL) {
        return rg_fail(c->err, RG_E_MEMORY, "no memory for %zu batches", list->n);
    }
    for (size_t i = 0; i < list->n; i++) {
        const rg_json *batch = rg_json_at(list, i);
        rg_status status =
            read_table(c, rg_json_find(batch, "input_ids"), "input_ids", c->ids + i * n);
        if (status == RG_OK) {
            status = read_table(c, rg_json_find(batch, "targets"), "targets", c->targets + i * n);
        }
        if (status != RG_OK) {
            return status;
        }
    }
    return RG_OK;
}

static rg_status read_optimizer(check *c) {
    rg_status status = RG_OK;
    const rg_json *o = rg_json_find(c->golden, "optimizer");
    const rg_json *betas = rg_json_find(o, "betas");
    double beta[2], eps, decay, most;
    for (size_t i = 0; i < 2; i++) {
        if (!rg_json_f64(rg_json_at(betas, i), &beta[i])) {
            return missing(c, "betas");
        }
    }
    RG_TRY(number(c, o, "eps", &eps));
    RG_TRY(number(c, o, "weight_decay", &decay));
    RG_TRY(number(c, o, "max_grad_norm", &most));
    c->optimizer = (rg_optimizer){.beta1 = (float)beta[0],
                                  .beta2 = (float)beta[1],
                                  .eps = (float)eps,
                                  .weight_decay = (float)decay,
                                  .max_grad_norm = (float)most};

done:
    return status;
}

// the folder of a file that the case names
static rg_status folder_of(const check *c, const char *key, char out[PATH_MAX_BYTES]) {
    rg_str name = {0};
    if (!rg_json_str(rg_json_find(c->golden, key), &name)) {
        return missing(c, key);
    }
    const rg_status status = path_in(c, c->dir, name, out);
    if (status == RG_OK) {
        char *slash = strrchr(out, '/');
        *slash = '\0';
    }
    return status;
}

static rg_status open_model(check *c) {
    char path[PATH_MAX_BYTES];
    rg_status status = RG_OK;
    rg_str init = {0};
    RG_TRY(folder_of(c, "weights", path));
    RG_TRY(rg_source_open(c->mem, path, &c->source, c->err));
    RG_TRY(rg_model_load(c->mem, c->source, &c->model, c->err));
    const rg_json *lora = rg_json_find(c->golden, "lora");
    if (lora != NULL && lora->kind == RG_JSON_OBJECT) {
        if (!rg_json_str(rg_json_find(lora, "init"), &init)) {
            status = missing(c, "lora.init");
            goto done;
        }
        RG_TRY(path_in(c, c->dir, init, path));
        RG_TRY(rg_adapter_open(c->mem, path, c->model, rg_source_get_kind(c->source), 1, &c->init,
                               c->err));
    }

done:
    return status;
}

// ---- comparing ----

// one measured difference against what the case allows
static void compare(check *c, const char *what, double difference, double allowed) {
    const double share = difference / allowed;
    c->n_compared++;
    if (!(share <= c->result->share)) { // a NaN is worse than anything
        c->result->share = share;
        snprintf(c->result->worst, sizeof c->result->worst, "%s: %.3g of %.3g", what, difference,
                 allowed);
    }
    if (!(difference <= allowed)) {
        c->result->is_passed = false;
    }
}

// a number of the case and its tolerance, where both are there
static void compare_number(check *c, const char *what, const rg_json *want, double got,
                           const rg_json *tolerance, bool is_relative) {
    double w = 0;
    double allowed = 0;
    if (rg_json_f64(want, &w) && rg_json_f64(tolerance, &allowed)) {
        compare(c, what, fabs(got - w) / (is_relative ? fabs(w) : 1), allowed);
    }
}

/** How far a list of tensors is from its reference. */
typedef struct distance {
    double sum;      // of squares, over all tensors
    double most;     // of any value
    double relative; // of the worst tensor: 2-norm against that of the reference
    char worst[RG_WEIGHT_NAME_MAX];
    bool is_complete;
} distance;

static rg_status measure(const check *c, const char *path, const rg_params *params,
                         const float *const *values, distance *d) {
    rg_safetensors *st = NULL;
    size_t n_learnt = 0;
    *d = (distance){.is_complete = true};
    const rg_status status = rg_safetensors_open(c->mem, path, &st, c->err);
    if (status != RG_OK) {
        return status;
    }
    for (size_t i = 0; i < params->n; i++) {
        const rg_param *p = &params->list[i];
        if (p->is_fixed) {
            continue;
        }
        n_learnt++;
        const rg_tensor *want = rg_safetensors_find(st, rg_str_of(p->name));
        if (want == NULL || want->dtype != RG_DTYPE_F32 || rg_tensor_count(want) != p->n) {
            rg_safetensors_close(st);
            return rg_fail(c->err, RG_E_FORMAT, "%s: tensor %s is missing or of another shape",
                           path, p->name);
        }
        double sum = 0;
        double size = 0;
        for (size_t k = 0; k < p->n; k++) {
            float w;
            memcpy(&w, (const char *)want->data + k * sizeof w, sizeof w);
            const double off = (double)(values == NULL ? p->w[k] : values[i][k]) - (double)w;
            sum += off * off;
            size += (double)w * (double)w;
            d->most = fabs(off) <= d->most ? d->most : fabs(off);
        }
        d->sum += sum;
        // a reference of zeros is held to the largest difference alone
        const double relative = size > 0 ? sqrt(sum / size) : 0;
        if (!(relative <= d->relative)) {
            d->relative = relative;
            snprintf(d->worst, sizeof d->worst, "%s", p->name);
        }
    }
    d->is_complete = rg_safetensors_count(st) == n_learnt;
    rg_safetensors_close(st);
    return RG_OK;
}

static bool is_there(const char *path) {
    return rg_file_kind_of(path) == RG_FILE_REGULAR;
}

// ---- running ----

static bool is_without_decay(const check *c, const char *name) {
    const rg_json *list = rg_json_find(rg_json_find(c->golden, "optimizer"), "no_decay");
    for (size_t i = 0; list != NULL && i < list->n; i++) {
        rg_str s = {0};
        if (rg_json_str(rg_json_at(list, i), &s) && rg_str_is(s, name)) {
            return true;
        }
    }
    return false;
}

static rg_status new_trainer(check *c, rg_trainer **out) {
    rg_params params = {0};
    rg_lora *loras = NULL;
    size_t n_loras = 0;
    const rg_trainer_options options = {
        .cpu = c->cpu, .n_threads = c->n_threads, .n_rows = c->shape[0], .seq_len = c->shape[1]};
    rg_status status = c->init == NULL ? rg_params_of_model(c->mem, c->model, &params, c->err)
                                       : rg_params_of_adapter(c->mem, c->model, c->init, &params,
                                                              &loras, &n_loras, c->err);
    for (size_t i = 0; i < params.n; i++) {
        params.list[i].decays = !is_without_decay(c, params.list[i].name);
    }
    if (status == RG_OK) {
        status = rg_trainer_new(c->mem, c->model, &options, &params, loras, n_loras, out, c->err);
    }
    if (status != RG_OK) {
        rg_params_clear(&params);
        rg_free(c->mem, loras);
    }
    return status;
}

static rg_pass pass_of(const check *c, size_t batch) {
    const size_t n = c->shape[0] * c->shape[1];
    return (rg_pass){.ids = c->ids + batch * n, .targets = c->targets + batch * n};
}

static rg_status check_gradients(check *c) {
    char path[PATH_MAX_BYTES];
    rg_status status = RG_OK;
    rg_trainer *t = NULL;
    const float **values = NULL;
    rg_step step;
    rg_str name = {0};
    RG_TRY(new_trainer(c, &t));
    const rg_params *params = rg_trainer_params(t);
    const rg_pass pass = pass_of(c, 0);
    RG_TRY(rg_trainer_gradients(t, &pass, 1, &step, c->err));
    rg_buf_format(&c->report, "  \"loss\": %.17g,\n  \"grad_norm\": %.17g,\n", step.loss,
                  step.grad_norm);
    values = rg_new_array(c->mem, params->n, sizeof *values);
    if (values == NULL) {
        status = rg_fail(c->err, RG_E_MEMORY, "no memory for a list of %zu tensors", params->n);
        goto done;
    }
    for (size_t i = 0; i < params->n; i++) {
        values[i] = rg_trainer_gradient(t, i);
    }
    RG_TRY(path_in(c, c->out_dir, RG_STR("grads.safetensors"), path));
    RG_TRY(rg_export_weights(c->mem, path, params, values, NULL, c->err));

    const rg_json *tolerance = rg_json_find(c->golden, "tolerance");
    compare_number(c, "loss", rg_json_find(c->golden, "loss"), step.loss,
                   rg_json_find(tolerance, "loss_abs"), false);
    if (rg_json_str(rg_json_find(c->golden, "grads"), &name)) {
        RG_TRY(path_in(c, c->dir, name, path));
        distance d;
        double relative = 0;
        double most = 0;
        if (is_there(path) &&
            rg_json_f64(rg_json_find(tolerance, "grad_rel_l2_per_tensor"), &relative) &&
            rg_json_f64(rg_json_find(tolerance, "grad_max_abs"), &most)) {
            char what[RG_WEIGHT_NAME_MAX + 32];
            RG_TRY(measure(c, path, params, values, &d));
            snprintf(what, sizeof what, "gradient of %s", d.worst);
            compare(c, what, d.relative, relative);
            compare(c, "gradient, any value", d.most, most);
            c->result->is_passed = c->result->is_passed && d.is_complete;
        }
    }

done:
    rg_free(c->mem, values);
    rg_trainer_free(t);
    return status;
}

static rg_status write_final(check *c, rg_str name, rg_trainer *t) {
    char file[256];
    char path[PATH_MAX_BYTES];
    const rg_json *lora = rg_json_find(c->golden, "lora");
    snprintf(file, sizeof file, c->init == NULL ? "final-%.*s.safetensors" : "final-%.*s",
             RG_FMT(name));
    rg_status status = path_in(c, c->out_dir, rg_str_of(file), path);
    if (status != RG_OK) {
        return status;
    }
    if (c->init == NULL) {
        return rg_export_weights(c->mem, path, rg_trainer_params(t), NULL, NULL, c->err);
    }
    size_t n_loras = 0;
    double alpha = 0;
    double rank = 0;
    bool is_rslora = false;
    (void)rg_json_f64(rg_json_find(lora, "alpha"), &alpha);
    (void)rg_json_f64(rg_json_find(lora, "r"), &rank);
    (void)rg_json_bool(rg_json_find(lora, "use_rslora"), &is_rslora);
    const rg_adapter_export adapter = {.model = c->model,
                                       .kind = rg_source_get_kind(c->source),
                                       .params = rg_trainer_params(t),
                                       .loras = rg_trainer_loras(t, &n_loras),
                                       .rank = (uint32_t)rank,
                                       .alpha = (float)alpha,
                                       .is_rslora = is_rslora,
                                       .base = rg_source_path(c->source)};
    return rg_export_peft(c->mem, path, &adapter, c->err);
}

static rg_status compare_final(check *c, const rg_json *run, rg_str run_name,
                               const rg_json *tolerance, const rg_params *params) {
    char path[PATH_MAX_BYTES];
    char what[128];
    rg_status status = RG_OK;
    rg_str name = {0};
    double moved = 0;
    double relative = 0;
    double most = 0;
    if (!rg_json_str(rg_json_find(run, "final"), &name)) {
        return RG_OK;
    }
    RG_TRY(path_in(c, c->dir, name, path));
    if (rg_file_kind_of(path) == RG_FILE_DIRECTORY) {
        const size_t n = strlen(path);
        snprintf(path + n, sizeof path - n, "/adapter_model.safetensors");
    }
    if (is_there(path) && rg_json_f64(rg_json_find(run, "moved"), &moved) && moved > 0 &&
        rg_json_f64(rg_json_find(tolerance, "final_rel_to_moved"), &relative) &&
        rg_json_f64(rg_json_find(tolerance, "final_max_abs"), &most)) {
        distance d;
        RG_TRY(measure(c, path, params, NULL, &d));
        snprintf(what, sizeof what, "final weights of run %.*s", RG_FMT(run_name));
        compare(c, what, sqrt(d.sum) / moved, relative);
        compare(c, what, d.most, most);
        c->result->is_passed = c->result->is_passed && d.is_complete;
    }

done:
    return status;
}

static rg_status run_steps(check *c, rg_trainer *t, const rg_json *run, rg_step *steps,
                           double *loss_after) {
    rg_status status = RG_OK;
    const rg_json *batches = rg_json_find(run, "batches");
    const rg_json *lr = rg_json_find(rg_json_find(c->golden, "optimizer"), "lr");
    int64_t batch = 0;
    for (size_t i = 0; i < batches->n; i++) {
        double rate = 0;
        if (!rg_json_i64(rg_json_at(batches, i), &batch) || batch < 0 ||
            (size_t)batch >= c->n_batches) {
            return missing(c, "runs.batches");
        }
        if (!rg_json_f64(rg_json_at(lr, i), &rate) || !isfinite(rate)) {
            return missing(c, "optimizer.lr");
        }
        const rg_pass pass = pass_of(c, (size_t)batch);
        RG_TRY(rg_trainer_gradients(t, &pass, 1, &steps[i], c->err));
        RG_TRY(rg_trainer_update(t, &c->optimizer, rate, &steps[i], c->err));
    }
    size_t n_counted = 0;
    const rg_pass last = pass_of(c, (size_t)batch);
    RG_TRY(rg_trainer_loss(t, &last, loss_after, &n_counted, c->err));
    *loss_after /= (double)n_counted;

done:
    return status;
}

static void report_run(check *c, rg_str name, const rg_step *steps, size_t n, double loss_after) {
    rg_buf_str(&c->report, RG_STR("    "));
    rg_buf_json(&c->report, name);
    rg_buf_str(&c->report, RG_STR(": {\n      \"losses\": ["));
    for (size_t i = 0; i < n; i++) {
        rg_buf_format(&c->report, i == 0 ? "%.17g" : ", %.17g", steps[i].loss);
    }
    rg_buf_str(&c->report, RG_STR("],\n      \"grad_norms\": ["));
    for (size_t i = 0; i < n; i++) {
        rg_buf_format(&c->report, i == 0 ? "%.17g" : ", %.17g", steps[i].grad_norm);
    }
    rg_buf_format(&c->report, "],\n      \"loss_after\": %.17g\n    }", loss_after);
}

static rg_status check_run(check *c, const rg_json *run, rg_str name) {
    rg_status status = RG_OK;
    rg_trainer *t = NULL;
    rg_step *steps = NULL;
    double loss_after = 0;
    char what[128];
    char key[128];
    const rg_json *batches = rg_json_find(run, "batches");
    if (batches == NULL || batches->kind != RG_JSON_ARRAY || batches->n == 0 ||
        batches->n > STEPS_MAX) {
        return missing(c, "runs.batches");
    }
    steps = rg_new_array(c->mem, batches->n, sizeof *steps);
    if (steps == NULL) {
        return rg_fail(c->err, RG_E_MEMORY, "no memory for %zu steps", batches->n);
    }
    RG_TRY(new_trainer(c, &t));
    RG_TRY(run_steps(c, t, run, steps, &loss_after));
    report_run(c, name, steps, batches->n, loss_after);
    RG_TRY(write_final(c, name, t));

    snprintf(key, sizeof key, "%.*s", RG_FMT(name));
    const rg_json *tolerance =
        rg_json_find(rg_json_find(rg_json_find(c->golden, "tolerance"), "runs"), key);
    for (size_t i = 0; i < batches->n; i++) {
        snprintf(what, sizeof what, "loss %zu of run %.64s", i, key);
        compare_number(c, what, rg_json_at(rg_json_find(run, "losses"), i), steps[i].loss,
                       rg_json_find(tolerance, "losses_abs"), false);
        snprintf(what, sizeof what, "gradient norm %zu of run %.64s", i, key);
        compare_number(c, what, rg_json_at(rg_json_find(run, "grad_norms"), i), steps[i].grad_norm,
                       rg_json_find(tolerance, "grad_norms_rel"), true);
    }
    snprintf(what, sizeof what, "loss after run %.64s", key);
    compare_number(c, what, rg_json_find(run, "loss_after"), loss_after,
                   rg_json_find(tolerance, "losses_abs"), false);
    RG_TRY(compare_final(c, run, name, tolerance, rg_trainer_params(t)));

done:
    rg_free(c->mem, steps);
    rg_trainer_free(t);
    return status;
}

static rg_status check_runs(check *c) {
    rg_status status = RG_OK;
    const rg_json *runs = rg_json_find(c->golden, "runs");
    rg_buf_str(&c->report, RG_STR("  \"runs\": {\n"));
    for (size_t i = 0; runs != NULL && i < runs->n; i++) {
        rg_str name = {0};
        const rg_json *run = rg_json_at(runs, i);
        if (!rg_json_str(rg_json_find(run, "name"), &name) || name.size == 0 || name.size > 64 ||
            memchr(name.data, '/', name.size) != NULL) {
            return missing(c, "runs.name");
        }
        rg_buf_str(&c->report, i == 0 ? RG_STR("") : RG_STR(",\n"));
        RG_TRY(check_run(c, run, name));
    }
    rg_buf_str(&c->report, RG_STR("\n  },\n"));

done:
    return status;
}

static rg_status write_report(check *c) {
    char path[PATH_MAX_BYTES];
    rg_status status = RG_OK;
    if (c->n_compared == 0) {
        c->result->is_passed = false;
        snprintf(c->result->worst, sizeof c->result->worst, "the case has nothing to compare with");
    }
    rg_buf_format(&c->report,
                  "  \"verdict\": {\"passed\": %s, \"compared\": %zu, \"worst_share\": %.4g, "
                  "\"worst\": ",
                  c->result->is_passed ? "true" : "false", c->n_compared, c->result->share);
    rg_buf_json(&c->report, rg_str_of(c->result->worst));
    rg_buf_str(&c->report, RG_STR("}\n}\n"));
    RG_TRY(rg_buf_check(&c->report, "a report", c->err));
    RG_TRY(path_in(c, c->out_dir, RG_STR("report.json"), path));
    RG_TRY(rg_file_write(path, c->report.data, c->report.size, c->err));

done:
    return status;
}

rg_status rg_train_check(const rg_mem *mem, const char *dir, const char *out_dir, rg_cpu cpu,
                         unsigned n_threads, rg_check_result *result, rg_error *err) {
    rg_status status = RG_OK;
    rg_str name = {0};
    check c = {.mem = mem,
               .dir = dir,
               .out_dir = out_dir,
               .cpu = cpu,
               .n_threads = n_threads,
               .result = result,
               .err = err};
    *result = (rg_check_result){.is_passed = true};
    rg_arena_init(&c.arena, mem, 16 * (size_t)RG_CHECK_FILE_MAX);
    rg_buf_init(&c.report, mem, 0);
    RG_TRY(read_golden(&c));
    RG_TRY(read_batches(&c));
    RG_TRY(read_optimizer(&c));
    RG_TRY(open_model(&c));
    RG_TRY(rg_make_dir(out_dir, err));
    (void)rg_json_str(rg_json_find(c.golden, "name"), &name);
    rg_buf_str(&c.report, RG_STR("{\n  \"case\": "));
    rg_buf_json(&c.report, name);
    rg_buf_str(&c.report, RG_STR(",\n"));
    RG_TRY(check_gradients(&c));
    RG_TRY(check_runs(&c));
    RG_TRY(write_report(&c));

done:
    rg_buf_clear(&c.report);
    rg_free(mem, c.ids);
    rg_free(mem, c.targets);
    rg_adapter_free(c.init);
    rg_model_free(c.model);
    rg_source_close(c.source);
    rg_free(mem, (void *)c.file.data);
    rg_arena_clear(&c.arena);
    return status;
}
