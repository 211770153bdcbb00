/* A tiny Qwen3.5 (a layer of the gated delta rule, one of gated attention) learns, step by step as
 * its twin in double precision does, whose gradients come from dual numbers: one pass for each
 * value. */
#include "base/file.h"
#include "format/safetensors_write.h"
#include "train/trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    VOCAB = 12,
    EMBD = 8,
    FF = 6,
    HEADS = 2,
    HEAD_DIM = 8,
    K_DIM = 4, // of the one key head
    V_DIM = 4,
    V_HEADS = 2,
    CHANNELS = 2 * K_DIM + V_HEADS * V_DIM,
    KERNEL = 3,
    ROWS = 2,
    T = 7,
    STEPS = 12,
};

static const char config[] =
    "{\"architectures\": [\"Qwen3_5ForCausalLM\"], \"vocab_size\": 12, \"hidden_size\": 8, "
    "\"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"num_key_value_heads\": 1, "
    "\"head_dim\": 8, \"intermediate_size\": 6, \"max_position_embeddings\": 64, "
    "\"rms_norm_eps\": 1e-6, \"tie_word_embeddings\": false, \"linear_conv_kernel_dim\": 3, "
    "\"linear_key_head_dim\": 4, \"linear_value_head_dim\": 4, \"linear_num_key_heads\": 1, "
    "\"linear_num_value_heads\": 2, \"rope_parameters\": {\"rope_type\": \"default\", "
    "\"rope_theta\": 10000, \"partial_rotary_factor\": 0.25}}";

static const struct {
    const char *name;
    size_t shape[3]; // zeros at the end
} tensors[] = {
    {"model.embed_tokens.weight", {VOCAB, EMBD}},
    {"lm_head.weight", {VOCAB, EMBD}},
    {"model.norm.weight", {EMBD}},
    {"model.layers.0.input_layernorm.weight", {EMBD}},
    {"model.layers.0.post_attention_layernorm.weight", {EMBD}},
    {"model.layers.0.linear_attn.in_proj_qkv.weight", {CHANNELS, EMBD}},
    {"model.layers.0.linear_attn.in_proj_z.weight", {V_HEADS * V_DIM, EMBD}},
    {"model.layers.0.linear_attn.in_proj_b.weight", {V_HEADS, EMBD}},
    {"model.layers.0.linear_attn.in_proj_a.weight", {V_HEADS, EMBD}},
    {"model.layers.0.linear_attn.conv1d.weight", {CHANNELS, 1, KERNEL}},
    {"model.layers.0.linear_attn.A_log", {V_HEADS}},
    {"model.layers.0.linear_attn.dt_bias", {V_HEADS}},
    {"model.layers.0.linear_attn.norm.weight", {V_DIM}},
    {"model.layers.0.linear_attn.out_proj.weight", {EMBD, V_HEADS *V_DIM}},
    {"model.layers.0.mlp.gate_proj.weight", {FF, EMBD}},
    {"model.layers.0.mlp.up_proj.weight", {FF, EMBD}},
    {"model.layers.0.mlp.down_proj.weight", {EMBD, FF}},
    {"model.layers.1.input_layernorm.weight", {EMBD}},
    {"model.layers.1.post_attention_layernorm.weight", {EMBD}},
    {"model.layers.1.self_attn.q_proj.weight", {2 * HEADS * HEAD_DIM, EMBD}},
    {"model.layers.1.self_attn.k_proj.weight", {HEAD_DIM, EMBD}},
    {"model.layers.1.self_attn.v_proj.weight", {HEAD_DIM, EMBD}},
    {"model.layers.1.self_attn.o_proj.weight", {EMBD, HEADS *HEAD_DIM}},
    {"model.layers.1.self_attn.q_norm.weight", {HEAD_DIM}},
    {"model.layers.1.self_attn.k_norm.weight", {HEAD_DIM}},
    {"model.layers.1.mlp.gate_proj.weight", {FF, EMBD}},
    {"model.layers.1.mlp.up_proj.weight", {FF, EMBD}},
    {"model.layers.1.mlp.down_proj.weight", {EMBD, FF}},
};

enum { N_TENSORS = sizeof tensors / sizeof *tensors };

static const int32_t ids[ROWS * T] = {1, 5, 2, 7, 3, 9, 4, 8, 0, 10, 6, 11, 5, 2};
static const int32_t targets[ROWS * T] = {5, 2, 7, 3, 9, 4, 11, -1, 10, 6, 11, 5, 2, 7};

// ---- numbers with a derivative ----

typedef struct dual {
    double v;
    double d;
} dual;

static dual num(double v) {
    return (dual){v, 0};
}

static dual add(dual a, dual b) {
    return (dual){a.v + b.v, a.d + b.d};
}

static dual mul(dual a, dual b) {
    return (dual){a.v * b.v, a.d * b.v + a.v * b.d};
}

// f(a), whose derivative there is slope
static dual at(dual a, double value, double slope) {
    return (dual){value, a.d * slope};
}

static dual inverse(dual a) {
    return at(a, 1 / a.v, -1 / (a.v * a.v));
}

static dual sigmoid(dual a) {
    const double s = 1 / (1 + exp(-a.v));
    return at(a, s, s * (1 - s));
}

static dual silu(dual a) {
    return mul(a, sigmoid(a));
}

static dual exponential(dual a) {
    return at(a, exp(a.v), exp(a.v));
}

// ---- the twin ----

/** The values of all tensors, in the order of the table; norms as they are multiplied. */
typedef struct twin {
    dual *w[N_TENSORS];
    size_t n[N_TENSORS];
} twin;

static const dual *weight(const twin *t, const char *name) {
    for (size_t i = 0; i < N_TENSORS; i++) {
        if (strcmp(tensors[i].name, name) == 0) {
            return t->w[i];
        }
    }
    fail_msg("the twin has no %s", name);
    return NULL;
}

static void product(const dual *w, const dual *x, size_t rows, size_t columns, dual *y) {
    for (size_t r = 0; r < rows; r++) {
        y[r] = num(0);
        for (size_t c = 0; c < columns; c++) {
            y[r] = add(y[r], mul(w[r * columns + c], x[c]));
        }
    }
}

// x / sqrt(of * sum of squares + 1e-6), times w where there is one
static void normalize(const dual *x, const dual *w, size_t n, double of, dual *y) {
    dual sum = num(1e-6);
    for (size_t i = 0; i < n; i++) {
        sum = add(sum, mul(num(of), mul(x[i], x[i])));
    }
    const dual root = at(sum, sqrt(sum.v), 0.5 / sqrt(sum.v));
    for (size_t i = 0; i < n; i++) {
        y[i] = mul(x[i], inverse(root));
        y[i] = w == NULL ? y[i] : mul(y[i], w[i]);
    }
}

static void norm(const twin *t, const char *name, const dual *x, dual *y) {
    normalize(x, weight(t, name), EMBD, 1.0 / EMBD, y);
}

static void feed_forward(const twin *t, int layer, dual *x) {
    char name[64];
    dual h[EMBD], gate[FF], up[FF], down[EMBD];
    snprintf(name, sizeof name, "model.layers.%d.post_attention_layernorm.weight", layer);
    norm(t, name, x, h);
    snprintf(name, sizeof name, "model.layers.%d.mlp.gate_proj.weight", layer);
    product(weight(t, name), h, FF, EMBD, gate);
    snprintf(name, sizeof name, "model.layers.%d.mlp.up_proj.weight", layer);
    product(weight(t, name), h, FF, EMBD, up);
    for (size_t i = 0; i < FF; i++) {
        gate[i] = mul(silu(gate[i]), up[i]);
    }
    snprintf(name, sizeof name, "model.layers.%d.mlp.down_proj.weight", layer);
    product(weight(t, name), gate, EMBD, FF, down);
    for (size_t i = 0; i < EMBD; i++) {
        x[i] = add(x[i], down[i]);
    }
}

#define DELTA(name) weight(t, "model.layers.0.linear_attn." name)

// one token of the delta rule; `rows` holds the inputs of the convolution so far
static void delta_token(const twin *t, dual (*rows)[CHANNELS], int pos, dual s[][K_DIM][V_DIM],
                        dual *x) {
    dual h[EMBD], c[CHANNELS], z[V_HEADS * V_DIM], b[V_HEADS], a[V_HEADS], out[EMBD];
    dual q[K_DIM], k[K_DIM], o[V_HEADS * V_DIM];
    norm(t, "model.layers.0.input_layernorm.weight", x, h);
    product(DELTA("in_proj_qkv.weight"), h, CHANNELS, EMBD, rows[pos]);
    product(DELTA("in_proj_z.weight"), h, V_HEADS * V_DIM, EMBD, z);
    product(DELTA("in_proj_b.weight"), h, V_HEADS, EMBD, b);
    product(DELTA("in_proj_a.weight"), h, V_HEADS, EMBD, a);
    for (int i = 0; i < CHANNELS; i++) {
        c[i] = num(0);
        for (int j = 0; j < KERNEL; j++) {
            const int from = pos - KERNEL + 1 + j;
            if (from >= 0) {
                c[i] = add(c[i], mul(DELTA("conv1d.weight")[i * KERNEL + j], rows[from][i]));
            }
        }
        c[i] = silu(c[i]);
    }
    normalize(c, NULL, K_DIM, 1, q);
    normalize(c + K_DIM, NULL, K_DIM, 1, k);
    for (int head = 0; head < V_HEADS; head++) {
        const dual *v = c + 2 * K_DIM + head * V_DIM;
        const dual raw = add(a[head], DELTA("dt_bias")[head]);
        const dual soft = at(raw, log1p(exp(raw.v)), 1 / (1 + exp(-raw.v)));
        const dual keep = exponential(mul(num(-1), mul(exponential(DELTA("A_log")[head]), soft)));
        const dual beta = sigmoid(b[head]);
        for (int j = 0; j < V_DIM; j++) {
            dual seen = num(0);
            for (int i = 0; i < K_DIM; i++) {
                s[head][i][j] = mul(s[head][i][j], keep);
                seen = add(seen, mul(s[head][i][j], k[i]));
            }
            const dual change = mul(beta, add(v[j], mul(num(-1), seen)));
            dual sum = num(0);
            for (int i = 0; i < K_DIM; i++) {
                s[head][i][j] = add(s[head][i][j], mul(k[i], change));
                sum = add(sum, mul(s[head][i][j], q[i]));
            }
            o[head * V_DIM + j] = mul(sum, num(1 / sqrt(K_DIM)));
        }
        normalize(o + head * V_DIM, DELTA("norm.weight"), V_DIM, 1.0 / V_DIM, o + head * V_DIM);
    }
    for (int i = 0; i < V_HEADS * V_DIM; i++) {
        o[i] = mul(o[i], silu(z[i]));
    }
    product(DELTA("out_proj.weight"), o, EMBD, V_HEADS * V_DIM, out);
    for (int i = 0; i < EMBD; i++) {
        x[i] = add(x[i], out[i]);
    }
}

#define ATTN(name) weight(t, "model.layers.1.self_attn." name)

static void turn(dual *x, int pos) {
    const dual a = x[0];
    x[0] = add(mul(a, num(cos(pos))), mul(x[1], num(-sin(pos))));
    x[1] = add(mul(a, num(sin(pos))), mul(x[1], num(cos(pos))));
}

static void attention_token(const twin *t, dual (*keys)[HEAD_DIM], dual (*values)[HEAD_DIM],
                            int pos, dual *x) {
    dual h[EMBD], both[2 * HEADS * HEAD_DIM], o[HEADS * HEAD_DIM], out[EMBD];
    norm(t, "model.layers.1.input_layernorm.weight", x, h);
    product(ATTN("q_proj.weight"), h, 2 * HEADS * HEAD_DIM, EMBD, both);
    product(ATTN("k_proj.weight"), h, HEAD_DIM, EMBD, keys[pos]);
    product(ATTN("v_proj.weight"), h, HEAD_DIM, EMBD, values[pos]);
    normalize(keys[pos], ATTN("k_norm.weight"), HEAD_DIM, 1.0 / HEAD_DIM, keys[pos]);
    turn(keys[pos], pos);
    for (int head = 0; head < HEADS; head++) {
        dual *q = both + 2 * head * HEAD_DIM;
        const dual *gate = q + HEAD_DIM;
        dual p[T], sum = num(0);
        normalize(q, ATTN("q_norm.weight"), HEAD_DIM, 1.0 / HEAD_DIM, q);
        turn(q, pos);
        for (int j = 0; j <= pos; j++) {
            dual dot = num(0);
            for (int i = 0; i < HEAD_DIM; i++) {
                dot = add(dot, mul(q[i], keys[j][i]));
            }
            p[j] = exponential(mul(dot, num(1 / sqrt(HEAD_DIM))));
            sum = add(sum, p[j]);
        }
        for (int i = 0; i < HEAD_DIM; i++) {
            dual mix = num(0);
            for (int j = 0; j <= pos; j++) {
                mix = add(mix, mul(mul(p[j], inverse(sum)), values[j][i]));
            }
            o[head * HEAD_DIM + i] = mul(mix, sigmoid(gate[i]));
        }
    }
    product(ATTN("o_proj.weight"), o, EMBD, HEADS * HEAD_DIM, out);
    for (int i = 0; i < EMBD; i++) {
        x[i] = add(x[i], out[i]);
    }
}

static dual loss_of(const twin *t) {
    dual sum = num(0);
    int n = 0;
    for (int row = 0; row < ROWS; row++) {
        dual s[V_HEADS][K_DIM][V_DIM] = {0};
        dual rows[T][CHANNELS], keys[T][HEAD_DIM], values[T][HEAD_DIM];
        for (int pos = 0; pos < T; pos++) {
            dual x[EMBD], h[EMBD], logits[VOCAB], total = num(0);
            const int32_t target = targets[row * T + pos];
            memcpy(x, weight(t, "model.embed_tokens.weight") + ids[row * T + pos] * EMBD, sizeof x);
            delta_token(t, rows, pos, s, x);
            feed_forward(t, 0, x);
            attention_token(t, keys, values, pos, x);
            feed_forward(t, 1, x);
            norm(t, "model.norm.weight", x, h);
            product(weight(t, "lm_head.weight"), h, VOCAB, EMBD, logits);
            if (target < 0) {
                continue;
            }
            for (int i = 0; i < VOCAB; i++) {
                total = add(total, exponential(logits[i]));
            }
            sum = add(sum, at(total, log(total.v), 1 / total.v));
            sum = add(sum, mul(num(-1), logits[target]));
            n++;
        }
    }
    return mul(sum, num(1.0 / n));
}

// ---- the model on disk ----

static void write_model(const char *dir) {
    static float values[N_TENSORS][2 * HEADS * HEAD_DIM * EMBD];
    rg_tensor list[N_TENSORS];
    char path[256];
    rg_error err = {0};
    const rg_safetensors_note note = {"format", RG_STR("pt")};
    srand(5);
    for (size_t i = 0; i < N_TENSORS; i++) {
        list[i] = (rg_tensor){
            .name = rg_str_of(tensors[i].name), .dtype = RG_DTYPE_F32, .data = values[i]};
        while (list[i].n_dims < 3 && tensors[i].shape[list[i].n_dims] != 0) {
            list[i].shape[list[i].n_dims] = tensors[i].shape[list[i].n_dims];
            list[i].n_dims++;
        }
        const size_t n = rg_tensor_count(&list[i]);
        list[i].bytes = n * sizeof(float);
        for (size_t k = 0; k < n; k++) {
            values[i][k] = ((float)rand() / (float)RAND_MAX * 2 - 1) * 0.6f;
        }
    }
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    assert_int_equal(
        rg_safetensors_write(rg_mem_heap(), path, list, N_TENSORS, &note, 1, NULL, NULL, &err),
        RG_OK);
    snprintf(path, sizeof path, "%s/config.json", dir);
    assert_int_equal(rg_file_write(path, config, strlen(config), &err), RG_OK);
}

// the twin's values from those of the trainer; the trainer's parameter of each tensor
static void copy_values(const rg_params *params, twin *t, size_t of_tensor[N_TENSORS]) {
    assert_int_equal(params->n, N_TENSORS);
    for (size_t i = 0; i < N_TENSORS; i++) {
        of_tensor[i] = N_TENSORS;
        for (size_t k = 0; k < params->n; k++) {
            of_tensor[i] = strcmp(params->list[k].name, tensors[i].name) == 0 ? k : of_tensor[i];
        }
        assert_true(of_tensor[i] < N_TENSORS);
        const rg_param *p = &params->list[of_tensor[i]];
        t->n[i] = p->n;
        t->w[i] = calloc(p->n, sizeof *t->w[i]);
        for (size_t k = 0; k < p->n; k++) {
            t->w[i][k].v = p->w[k];
        }
    }
}

// ---- the comparison ----

static void check_gradients(twin *t, const rg_trainer *trainer, const size_t *of_tensor,
                            double *grads, int step) {
    size_t at_value = 0;
    for (size_t i = 0; i < N_TENSORS; i++) {
        const float *got = rg_trainer_gradient(trainer, of_tensor[i]);
        double off = 0, size = 0;
        for (size_t k = 0; k < t->n[i]; k++) {
            t->w[i][k].d = 1;
            const double want = loss_of(t).d;
            t->w[i][k].d = 0;
            grads[at_value++] = want;
            off += (got[k] - want) * (got[k] - want);
            size += want * want;
        }
        if (!(sqrt(off) <= 1e-4 * sqrt(size) + 1e-6)) {
            fail_msg("step %d: the gradient of %s is off by %g of %g", step, tensors[i].name,
                     sqrt(off), sqrt(size));
        }
    }
}

// AdamW in double: decoupled decay of matrices, clipping by the norm of all gradients
static void update(twin *t, const rg_optimizer *o, double lr, const double *grads, double *m,
                   double *v, int step) {
    double norm_sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < N_TENSORS; i++) {
        n += t->n[i];
    }
    for (size_t k = 0; k < n; k++) {
        norm_sum += grads[k] * grads[k];
    }
    const double scale = fmin(1, (double)o->max_grad_norm / (sqrt(norm_sum) + 1e-6));
    size_t at_value = 0;
    for (size_t i = 0; i < N_TENSORS; i++) {
        const bool decays = tensors[i].shape[1] != 0;
        for (size_t k = 0; k < t->n[i]; k++, at_value++) {
            const double g = grads[at_value] * scale;
            double *w = &t->w[i][k].v;
            *w *= decays ? 1 - lr * (double)o->weight_decay : 1;
            m[at_value] = (double)o->beta1 * m[at_value] + (1 - (double)o->beta1) * g;
            v[at_value] = (double)o->beta2 * v[at_value] + (1 - (double)o->beta2) * g * g;
            *w -= lr * (m[at_value] / (1 - pow((double)o->beta1, step + 1))) /
                  (sqrt(v[at_value] / (1 - pow((double)o->beta2, step + 1))) + (double)o->eps);
        }
    }
}

static void a_tiny_model_learns_as_its_twin_does(void **state) {
    (void)state;
    char dir[] = "/tmp/raga-twin-XXXXXX";
    rg_error err = {0};
    rg_source *source = NULL;
    rg_model *model = NULL;
    rg_trainer *trainer = NULL;
    rg_params params = {0};
    twin t;
    size_t of_tensor[N_TENSORS];
    double first = 0, last = 0;
    assert_non_null(mkdtemp(dir));
    write_model(dir);
    assert_int_equal(rg_source_open(rg_mem_heap(), dir, &source, &err), RG_OK);
    if (rg_model_load(rg_mem_heap(), source, &model, &err) != RG_OK ||
        rg_params_of_model(rg_mem_heap(), model, &params, &err) != RG_OK) {
        fail_msg("%s", err.text);
    }
    const rg_trainer_options options = {
        .cpu = rg_cpu_detect(), .n_threads = 1, .n_rows = ROWS, .seq_len = T};
    const rg_optimizer optimizer = {
        .beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-8f, .weight_decay = 0.1f, .max_grad_norm = 1};
    assert_int_equal(
        rg_trainer_new(rg_mem_heap(), model, &options, &params, NULL, 0, &trainer, &err), RG_OK);
    const rg_params *trained = rg_trainer_params(trainer);
    copy_values(trained, &t, of_tensor);
    double *grads = calloc(trained->n_values, sizeof *grads);
    double *m = calloc(trained->n_values, sizeof *m);
    double *v = calloc(trained->n_values, sizeof *v);
    for (int i = 0; i < STEPS; i++) {
        const rg_pass pass = {.ids = ids, .targets = targets};
        rg_step step;
        const double want = loss_of(&t).v;
        assert_int_equal(rg_trainer_gradients(trainer, &pass, 1, &step, &err), RG_OK);
        if (!(fabs(step.loss - want) <= 2e-5)) {
            fail_msg("step %d: the loss is %.9g, the twin's %.9g", i, step.loss, want);
        }
        first = i == 0 ? want : first;
        last = want;
        check_gradients(&t, trainer, of_tensor, grads, i);
        update(&t, &optimizer, 0.02, grads, m, v, i);
        assert_int_equal(rg_trainer_update(trainer, &optimizer, 0.02, &step, &err), RG_OK);
    }
    assert_true(last < 0.6 * first);
    for (size_t i = 0; i < N_TENSORS; i++) {
        free(t.w[i]);
    }
    free(grads);
    free(m);
    free(v);
    rg_trainer_free(trainer);
    rg_model_free(model);
    rg_source_close(source);
    for (size_t i = 0; i < 2; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", dir, i == 0 ? "model.safetensors" : "config.json");
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tiny_model_learns_as_its_twin_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
