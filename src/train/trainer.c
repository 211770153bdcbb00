#include "train/trainer.h"

#include "graph/backward.h"
#include "train/muon.h"

#include <math.h>
#include <string.h>

enum {
    INPUT_TARGETS = RG_MODEL_INPUTS,
    INPUT_DLOSS, // what each position's loss counts in the result
    N_INPUTS,
    PART = 1 << 16, // values of a parameter that one thread takes at a time
};

/** A planned graph and the arena that it was planned for. */
typedef struct plan {
    rg_exec *exec;
    rg_val losses; // [n_tok, 1]
    void *arena;
} plan;

/** A stretch of one parameter. */
typedef struct part {
    uint32_t param;
    size_t from;
    size_t n;
} part;

struct rg_trainer {
    const rg_mem *mem;
    rg_trainer_options options;
    rg_model model; // the caller's, with the trained weights in its table
    rg_params params;
    rg_lora *loras;
    rg_graph_extras extras;
    rg_kernels kernels;
    rg_pool *pool;
    void *scratch;
    rg_tensor *table; // weights by slot, those of the additions behind the model's
    plan train;
    plan eval;              // made when first asked for
    rg_val *grads;          // by parameter, values of the training graph
    float **sums;           // by parameter: gradients summed over passes; NULL until a step has two
    const float **grad_now; // by parameter: where its gradient lies
    int32_t *positions;
    int32_t *rows;
    float *dloss;
    int32_t seed[2];
    part *parts;
    size_t n_parts;
    double *part_sums;
    uint32_t *inner; // parameters that Muon updates, largest first; n_inner
    size_t n_inner;
    const void **matrices; // where each parameter lies
    void *muon;            // scratch of all threads; NULL until Muon is asked for
    size_t muon_bytes;     // of one thread
    uint64_t n_steps;
    rg_atomic_bool cancel;
    float *zeros; // the gradient of what nothing depends on
    size_t bytes;
};

bool rg_compute_of_name(rg_str name, bool *is_bf16) {
    *is_bf16 = rg_str_is(name, "bf16");
    return *is_bf16 || rg_str_is(name, "f32");
}

const char *rg_optimizer_name(rg_optimizer_kind kind) {
    return kind == RG_OPTIMIZER_MUON ? "muon" : "adamw";
}

static size_t n_tokens(const rg_trainer *t) {
    return t->options.n_rows * t->options.seq_len;
}

// memory that counts in rg_trainer_bytes
static void *take(rg_trainer *t, size_t n, size_t size) {
    size_t bytes = 0;
    void *p = rg_mul_size(n, size, &bytes) ? rg_new(t->mem, bytes) : NULL;
    t->bytes += p == NULL ? 0 : bytes;
    return p;
}

// ---- construction ----

static rg_status plan_graph(rg_trainer *t, rg_graph *g, plan *out, rg_error *err) {
    rg_status status = RG_OK;
    const rg_exec_options how = {.kernels = &t->kernels,
                                 .is_training = true,
                                 .is_bf16 = t->options.is_bf16,
                                 .n_threads = t->options.n_threads};
    RG_TRY(rg_exec_new(t->mem, g, &how, &out->exec, err));
    const size_t bytes = rg_exec_arena_bytes(out->exec);
    out->arena = take(t, bytes, 1);
    if (out->arena == NULL) {
        status = rg_fail(err, RG_E_MEMORY,
                         "no memory for the %zu MiB of activations of %zu tokens; take smaller "
                         "batches, or compute layers again (recompute)",
                         bytes >> 20, n_tokens(t));
    }

done:
    return status;
}

// the graph of the model with a loss for each position
static rg_val build_losses(rg_trainer *t, rg_graph *g, bool is_training) {
    rg_graph_extras extras = t->extras;
    extras.lora_drop = is_training ? t->options.lora_drop : 0;
    const size_t n = n_tokens(t);
    const rg_outputs out = rg_model_graph(&t->model, g, RG_PURPOSE_TRAIN, &extras, n, n);
    const rg_val targets = rg_graph_input(g, INPUT_TARGETS, RG_DTYPE_I32, n, 0);
    const rg_val losses = rg_cross_entropy(g, out.logits, targets);
    rg_graph_keep(g, losses);
    // logits are wanted by the loss alone
    if (g->error.status == RG_OK) {
        g->values[out.logits].is_output = false;
        g->values[out.hidden].is_output = false;
    }
    return losses;
}

// the value of each parameter's weight in the graph; RG_VAL_NONE where it has none
static void find_weights(const rg_trainer *t, const rg_graph *g, rg_val *of_param) {
    for (size_t i = 0; i < t->params.n; i++) {
        of_param[i] = RG_VAL_NONE;
        for (size_t v = 0; v < g->n_values && of_param[i] == RG_VAL_NONE; v++) {
            if (g->values[v].kind == RG_VAL_WEIGHT && g->values[v].slot == t->params.list[i].slot) {
                of_param[i] = (rg_val)v;
            }
        }
    }
}

static rg_status plan_training(rg_trainer *t, rg_error *err) {
    rg_status status = RG_OK;
    rg_graph g;
    size_t n_wanted = 0;
    rg_val *weights = rg_new_array(t->mem, 3 * t->params.n + 1, sizeof *weights);
    rg_graph_init(&g, t->mem);
    t->grads = rg_new_array(t->mem, t->params.n + 1, sizeof *t->grads);
    if (weights == NULL || t->grads == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a plan");
        goto done;
    }
    rg_val *wanted = weights + t->params.n;
    rg_val *grads = wanted + t->params.n;
    t->train.losses = build_losses(t, &g, true);
    const rg_val dloss = rg_graph_input(&g, INPUT_DLOSS, RG_DTYPE_F32, n_tokens(t), 1);
    RG_TRY(rg_graph_check(&g, err));
    find_weights(t, &g, weights);
    for (size_t i = 0; i < t->params.n; i++) {
        if (weights[i] != RG_VAL_NONE) {
            wanted[n_wanted++] = weights[i];
        }
    }
    rg_graph_backward(&g, t->train.losses, dloss, wanted, n_wanted, t->options.recompute, grads);
    for (size_t i = 0, k = 0; i < t->params.n; i++) {
        t->grads[i] = weights[i] == RG_VAL_NONE ? RG_VAL_NONE : grads[k++];
    }
    RG_TRY(plan_graph(t, &g, &t->train, err));

done:
    rg_free(t->mem, weights);
    rg_graph_clear(&g);
    return status;
}

static rg_status plan_evaluation(rg_trainer *t, rg_error *err) {
    rg_status status = RG_OK;
    rg_graph g;
    if (t->eval.exec != NULL) {
        return RG_OK;
    }
    rg_graph_init(&g, t->mem);
    t->eval.losses = build_losses(t, &g, false);
    RG_TRY(plan_graph(t, &g, &t->eval, err));

done:
    rg_graph_clear(&g);
    return status;
}

static rg_status cut_parts(rg_trainer *t, rg_error *err) {
    for (size_t i = 0; i < t->params.n; i++) {
        t->n_parts += (t->params.list[i].n + PART - 1) / PART;
    }
    t->parts = take(t, t->n_parts + 1, sizeof *t->parts);
    t->part_sums = take(t, t->n_parts + 1, sizeof *t->part_sums);
    if (t->parts == NULL || t->part_sums == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu parts", t->n_parts);
    }
    size_t at = 0;
    for (uint32_t i = 0; i < t->params.n; i++) {
        const size_t n = t->params.list[i].n;
        for (size_t from = 0; from < n; from += PART) {
            t->parts[at++] = (part){i, from, n - from < PART ? n - from : PART};
        }
    }
    return RG_OK;
}

static rg_status take_inputs(rg_trainer *t, rg_error *err) {
    const size_t n = n_tokens(t);
    size_t longest = 0;
    for (size_t i = 0; i < t->params.n; i++) {
        longest = t->params.list[i].n > longest ? t->params.list[i].n : longest;
    }
    t->positions = take(t, n, sizeof *t->positions);
    t->rows = take(t, n, sizeof *t->rows);
    t->dloss = take(t, n, sizeof *t->dloss);
    t->sums = take(t, t->params.n + 1, sizeof *t->sums);
    t->grad_now = take(t, t->params.n + 1, sizeof *t->grad_now);
    t->scratch = take(t, rg_exec_scratch_bytes(t->options.n_threads), 1);
    if (t->positions == NULL || t->rows == NULL || t->dloss == NULL || t->sums == NULL ||
        t->grad_now == NULL || t->scratch == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for batches of %zu tokens", n);
    }
    for (size_t i = 0; i < n; i++) {
        t->positions[i] = (int32_t)(i % t->options.seq_len);
        t->rows[i] = (int32_t)i;
    }
    // some parameter may have no gradient (an unused norm): then it is zero
    for (size_t i = 0; i < t->params.n; i++) {
        if (t->grads[i] == RG_VAL_NONE && t->zeros == NULL) {
            t->zeros = take(t, longest, sizeof *t->zeros);
            if (t->zeros == NULL) {
                return rg_fail(err, RG_E_MEMORY, "no memory for %zu zeros", longest);
            }
        }
    }
    return RG_OK;
}

// the model as the graphs see it: trained weights in place of its own
static rg_status make_table(rg_trainer *t, const rg_model *model, rg_error *err) {
    rg_status status = rg_model_table(model, &t->extras, &t->table, err);
    if (status != RG_OK) {
        return status;
    }
    t->matrices = take(t, t->params.n + 1, sizeof *t->matrices);
    if (t->matrices == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a list of %zu tensors", t->params.n);
    }
    for (size_t i = 0; i < t->params.n; i++) {
        const rg_param *p = &t->params.list[i];
        t->matrices[i] = p->w;
        if (p->n_parts == 1) {
            t->table[p->slot] = rg_param_tensor(p);
        } else if (p->part == 0) {
            // parts of one weight follow one another
            rg_tensor *w = &t->table[p->slot];
            w->dtype = RG_DTYPE_F32;
            w->bytes = p->n_parts * p->n * sizeof(float);
            w->data = p->w;
            w->slabs = &t->matrices[i];
        }
    }
    t->model = *model;
    t->model.weights = t->table;
    return RG_OK;
}

rg_status rg_trainer_new(const rg_mem *mem, const rg_model *model,
                         const rg_trainer_options *options, rg_params *params, rg_lora *loras,
                         size_t n_loras, rg_trainer **out, rg_error *err) {
    rg_status status = RG_OK;
    size_t n_tok = 0;
    if (options->n_rows == 0 || options->seq_len == 0 ||
        !rg_mul_size(options->n_rows, options->seq_len, &n_tok) || n_tok > RG_TRAIN_TOKENS_MAX) {
        return rg_fail(err, RG_E_ARG,
                       "a pass of %zu sequences of %zu tokens is not possible; 1 to %zu tokens are",
                       options->n_rows, options->seq_len, RG_TRAIN_TOKENS_MAX);
    }
    for (uint32_t i = 0; model->h.n_latent != 0 && i < model->h.n_layer; i++) {
        if (!model->h.is_recurrent[i] &&
            model->weights[rg_model_slot(RG_ROLE_KV_B, i)].data == NULL) {
            return rg_fail(err, RG_E_UNSUPPORTED,
                           "this GGUF holds keys and values of latent attention in the form for "
                           "inference alone: tune the Hugging Face directory of the model");
        }
    }
    rg_trainer *t = rg_new(mem, sizeof *t);
    if (t == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a trainer");
    }
    t->mem = mem;
    t->options = *options;
    t->options.n_threads = options->n_threads == 0 ? rg_cpu_threads() : options->n_threads;
    t->params = *params;
    t->bytes = 3 * params->n_values * sizeof(float);
    t->extras = (rg_graph_extras){.seq_len = options->seq_len, .loras = loras, .n_loras = n_loras};
    rg_kernels_select(&t->kernels, options->cpu);
    RG_TRY(make_table(t, model, err));
    RG_TRY(cut_parts(t, err));
    RG_TRY(plan_training(t, err));
    RG_TRY(take_inputs(t, err));
    RG_TRY(rg_pool_new(mem, t->options.n_threads, &t->pool, err));
    t->loras = loras;
    *params = (rg_params){0};
    *out = t;
    t = NULL;

done:
    if (t != NULL) {
        t->params = (rg_params){0}; // still the caller's
        rg_trainer_free(t);
    }
    return status;
}

static void clear_plan(const rg_trainer *t, plan *p) {
    rg_exec_free(p->exec);
    rg_free(t->mem, p->arena);
}

void rg_trainer_free(rg_trainer *t) {
    if (t == NULL) {
        return;
    }
    clear_plan(t, &t->train);
    clear_plan(t, &t->eval);
    rg_pool_free(t->pool);
    for (size_t i = 0; t->sums != NULL && i < t->params.n; i++) {
        rg_free(t->mem, t->sums[i]);
    }
    void *const blocks[] = {t->loras,
                            t->scratch,
                            t->grads,
                            t->sums,
                            (void *)t->grad_now,
                            t->parts,
                            t->positions,
                            t->part_sums,
                            t->rows,
                            t->dloss,
                            t->zeros,
                            t->inner,
                            t->muon,
                            (void *)t->matrices};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        rg_free(t->mem, blocks[i]);
    }
    if (t->table != NULL) {
        rg_free(t->model.mem, t->table);
    }
    rg_params_clear(&t->params);
    rg_free(t->mem, t);
}

// ---- a step ----

static size_t count(const rg_trainer *t, const rg_pass *pass) {
    size_t n = 0;
    for (size_t i = 0; i < n_tokens(t); i++) {
        n += pass->targets[i] >= 0;
    }
    return n;
}

static rg_status run(rg_trainer *t, const plan *p, const rg_pass *pass, rg_error *err) {
    const void *inputs[N_INPUTS] = {[RG_INPUT_IDS] = pass->ids,
                                    [RG_INPUT_POSITIONS] =
                                        pass->positions == NULL ? t->positions : pass->positions,
                                    [RG_INPUT_OUT_ROWS] = t->rows,
                                    [RG_INPUT_SEED] = t->seed,
                                    [INPUT_TARGETS] = pass->targets,
                                    [INPUT_DLOSS] = t->dloss};
    const rg_bindings b = {.pool = t->pool,
                           .arena = p->arena,
                           .scratch = t->scratch,
                           .weights = t->table,
                           .inputs = inputs,
                           .cancel = &t->cancel};
    return rg_exec_run(p->exec, &b, err);
}

static double sum_losses(const rg_trainer *t, const plan *p, const rg_pass *pass) {
    const float *losses = rg_exec_value(p->exec, p->arena, p->losses);
    double sum = 0;
    for (size_t i = 0; i < n_tokens(t); i++) {
        sum += pass->targets[i] >= 0 ? losses[i] : 0;
    }
    return sum;
}

// the gradient of a parameter as the last pass left it: of experts, its share of theirs
static const float *fresh_gradient(const rg_trainer *t, size_t i) {
    const rg_param *p = &t->params.list[i];
    return rg_exec_value(t->train.exec, t->train.arena, t->grads[i]) + p->part * p->n;
}

// gradients of the pass that ran last become part of the step's
static void add_up(void *arg, size_t chunk, unsigned thread) {
    (void)thread;
    rg_trainer *t = arg;
    const part *p = &t->parts[chunk];
    if (t->grads[p->param] != RG_VAL_NONE) {
        float *sum = t->sums[p->param] + p->from;
        const float *g = fresh_gradient(t, p->param) + p->from;
        t->kernels.add(sum, sum, g, p->n);
    }
}

static rg_status begin_sums(rg_trainer *t, rg_error *err) {
    for (size_t i = 0; i < t->params.n; i++) {
        const size_t n = t->params.list[i].n;
        if (t->sums[i] == NULL) {
            t->sums[i] = take(t, n, sizeof **t->sums);
        }
        if (t->sums[i] == NULL) {
            return rg_fail(err, RG_E_MEMORY, "no memory to sum up %zu gradients", n);
        }
        memset(t->sums[i], 0, n * sizeof **t->sums);
    }
    return RG_OK;
}

static void square(void *arg, size_t chunk, unsigned thread) {
    (void)thread;
    rg_trainer *t = arg;
    const part *p = &t->parts[chunk];
    const float *g = t->grad_now[p->param] + p->from;
    double lane[8] = {0};
    size_t i = 0;
    for (; i + 8 <= p->n; i += 8) {
        for (size_t k = 0; k < 8; k++) {
            lane[k] += (double)g[i + k] * (double)g[i + k];
        }
    }
    for (; i < p->n; i++) {
        lane[0] += (double)g[i] * (double)g[i];
    }
    t->part_sums[chunk] =
        ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

// the same sum whatever the number of threads: parts are added in their order
static rg_status norm(rg_trainer *t, double *out, rg_error *err) {
    double sum = 0;
    rg_pool_run(t->pool, t->n_parts, square, t);
    for (size_t i = 0; i < t->n_parts; i++) {
        if (!isfinite(t->part_sums[i])) {
            return rg_fail(err, RG_E_NUMERIC, "step %llu: the gradient of %s is not finite",
                           (unsigned long long)t->n_steps, t->params.list[t->parts[i].param].name);
        }
        sum += t->part_sums[i];
    }
    *out = sqrt(sum);
    return RG_OK;
}

// what made a loss that is no number: a weight, or sums inside the model
static rg_status bad_loss(const rg_trainer *t, rg_error *err) {
    for (size_t i = 0; i < t->params.n; i++) {
        const rg_param *p = &t->params.list[i];
        for (size_t k = 0; k < p->n; k++) {
            if (!isfinite(p->w[k])) {
                return rg_fail(err, RG_E_NUMERIC,
                               "step %llu: the loss is not finite: value %zu of %s is not",
                               (unsigned long long)t->n_steps, k, p->name);
            }
        }
    }
    return rg_fail(err, RG_E_NUMERIC,
                   "step %llu: the loss is not finite, though all trained weights are: values "
                   "inside the model became too large",
                   (unsigned long long)t->n_steps);
}

rg_status rg_trainer_gradients(rg_trainer *t, const rg_pass *passes, size_t n_passes, rg_step *out,
                               rg_error *err) {
    rg_status status = RG_OK;
    rg_step step = {0};
    const bool is_summed = n_passes > 1;
    for (size_t i = 0; i < n_passes; i++) {
        step.n_counted += count(t, &passes[i]);
    }
    if (step.n_counted == 0) {
        return rg_fail(err, RG_E_ARG, "no position of the batch has anything to learn");
    }
    const float share = (float)(1.0 / (double)step.n_counted);
    if (is_summed) {
        RG_TRY(begin_sums(t, err));
    }
    for (size_t i = 0; i < n_passes; i++) {
        const uint64_t draw = t->options.seed + t->n_steps * 0x9E3779B97F4A7C15u + i;
        t->seed[0] = (int32_t)(uint32_t)draw;
        t->seed[1] = (int32_t)(uint32_t)(draw >> 32);
        for (size_t k = 0; k < n_tokens(t); k++) {
            t->dloss[k] = passes[i].targets[k] >= 0 ? share : 0;
        }
        RG_TRY(run(t, &t->train, &passes[i], err));
        step.loss += sum_losses(t, &t->train, &passes[i]);
        if (is_summed) {
            rg_pool_run(t->pool, t->n_parts, add_up, t);
        }
    }
    step.loss /= (double)step.n_counted;
    if (!isfinite(step.loss)) {
        status = bad_loss(t, err);
        goto done;
    }
    for (size_t i = 0; i < t->params.n; i++) {
        t->grad_now[i] = t->grads[i] == RG_VAL_NONE ? t->zeros
                         : is_summed                ? t->sums[i]
                                                    : fresh_gradient(t, i);
    }
    RG_TRY(norm(t, &step.grad_norm, err));
    *out = step;

done:
    return status;
}

/** One update under way. */
typedef struct update {
    rg_trainer *t;
    bool has_muon;
    rg_adamw matrix;
    rg_adamw vector;
    rg_muon inner;
} update;

static void update_part(void *arg, size_t chunk, unsigned thread) {
    (void)thread;
    const update *u = arg;
    const part *p = &u->t->parts[chunk];
    const rg_param *param = &u->t->params.list[p->param];
    if (!u->has_muon || !param->is_inner) {
        u->t->kernels.adamw(param->w + p->from, param->m + p->from, param->v + p->from,
                            u->t->grad_now[p->param] + p->from, p->n,
                            param->decays ? &u->matrix : &u->vector);
    }
}

static void update_inner(void *arg, size_t chunk, unsigned thread) {
    const update *u = arg;
    const uint32_t i = u->t->inner[chunk];
    const rg_param *p = &u->t->params.list[i];
    rg_muon_update(u->t->options.is_bf16 ? u->t->kernels.gemm_bf16 : u->t->kernels.gemm, p->w, p->m,
                   u->t->grad_now[i], p->shape[0], p->shape[1], &u->inner,
                   (char *)u->t->muon + thread * u->t->muon_bytes);
}

// the list of matrices, large ones first so that threads end together, and scratch for each thread
static rg_status prepare_muon(rg_trainer *t, rg_error *err) {
    size_t bytes = 0;
    t->inner = t->inner != NULL ? t->inner : take(t, t->params.n + 1, sizeof *t->inner);
    if (t->inner == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a list of %zu matrices", t->params.n);
    }
    t->n_inner = 0;
    for (uint32_t i = 0; i < t->params.n; i++) {
        const rg_param *p = &t->params.list[i];
        if (p->is_inner) {
            const size_t needs = rg_muon_scratch_bytes(p->shape[0], p->shape[1]);
            bytes = needs > bytes ? needs : bytes;
            size_t at = t->n_inner++;
            for (; at > 0 && t->params.list[t->inner[at - 1]].n < p->n; at--) {
                t->inner[at] = t->inner[at - 1];
            }
            t->inner[at] = i;
        }
    }
    t->muon_bytes = bytes;
    t->muon = take(t, t->options.n_threads, bytes);
    return t->muon != NULL || t->n_inner == 0
               ? RG_OK
               : rg_fail(err, RG_E_MEMORY, "no memory for the scratch of Muon, %zu MiB a thread",
                         bytes >> 20);
}

rg_status rg_trainer_update(rg_trainer *t, const rg_optimizer *o, double lr, const rg_step *step,
                            rg_error *err) {
    const bool has_muon = o->kind == RG_OPTIMIZER_MUON;
    if (has_muon && t->muon == NULL) {
        const rg_status status = prepare_muon(t, err);
        if (status != RG_OK) {
            return status;
        }
    }
    const double n = (double)++t->n_steps;
    const double clip = o->max_grad_norm > 0 ? o->max_grad_norm / (step->grad_norm + 1e-6) : 1;
    update u = {.t = t,
                .has_muon = has_muon,
                .matrix = {.lr = (float)lr,
                           .beta1 = o->beta1,
                           .beta2 = o->beta2,
                           .eps = o->eps,
                           .decay = o->weight_decay,
                           .bias1 = (float)(1 / (1 - pow(o->beta1, n))),
                           .bias2 = (float)(1 / (1 - pow(o->beta2, n))),
                           .grad_scale = (float)(clip < 1 ? clip : 1)},
                .inner = {.lr = (float)lr, .momentum = o->momentum, .decay = o->weight_decay}};
    u.vector = u.matrix;
    u.vector.decay = 0;
    u.inner.grad_scale = u.matrix.grad_scale;
    rg_pool_run(t->pool, t->n_parts, update_part, &u);
    if (has_muon) {
        rg_pool_run(t->pool, t->n_inner, update_inner, &u);
    }
    return RG_OK;
}

rg_status rg_trainer_loss(rg_trainer *t, const rg_pass *pass, double *sum, size_t *n_counted,
                          rg_error *err) {
    rg_status status = plan_evaluation(t, err);
    if (status == RG_OK) {
        status = run(t, &t->eval, pass, err);
    }
    if (status == RG_OK) {
        *sum = sum_losses(t, &t->eval, pass);
        *n_counted = count(t, pass);
    }
    return status;
}

// ---- looking in ----

rg_params *rg_trainer_params(rg_trainer *t) {
    return &t->params;
}

const rg_lora *rg_trainer_loras(const rg_trainer *t, size_t *n) {
    *n = t->extras.n_loras;
    return t->extras.loras;
}

const float *rg_trainer_gradient(const rg_trainer *t, size_t i) {
    return t->grad_now[i];
}

uint64_t rg_trainer_steps(const rg_trainer *t) {
    return t->n_steps;
}

void rg_trainer_set_steps(rg_trainer *t, uint64_t n) {
    t->n_steps = n;
}

const char *rg_trainer_compute(const rg_trainer *t) {
    return t->options.is_bf16 ? "bf16" : "f32";
}

size_t rg_trainer_bytes(const rg_trainer *t) {
    return t->bytes;
}

unsigned rg_trainer_threads(const rg_trainer *t) {
    return t->options.n_threads;
}

void rg_trainer_cancel(rg_trainer *t) {
    atomic_store_explicit(&t->cancel, true, memory_order_relaxed);
}
