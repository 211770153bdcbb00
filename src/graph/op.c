#include "graph/op.h"
#include "graph/op_shapes.h"

// ---- shape rules: ids [T] i32, x [T, n] f32, w [rows, n] of any type ----

static bool shape_embed(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *ids = input(g, node, 0);
    const rg_value *w = input(g, node, 1);
    set_matrix(out, ids->shape[0], w->shape[1]);
    return is_ids(ids) && w->n_dims == 2;
}

static bool shape_rope_table(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *positions = input(g, node, 0);
    const rg_value *inv_freq = input(g, node, 1);
    const bool has_axes = positions->dtype == RG_DTYPE_I32 && positions->n_dims == 2 &&
                          positions->shape[1] != 0 && positions->shape[1] <= RG_ROPE_AXES_MAX;
    set_matrix(out, positions->shape[0], 2 * inv_freq->shape[0]);
    return (is_ids(positions) || has_axes) && inv_freq->n_dims == 1 &&
           inv_freq->dtype == RG_DTYPE_F32 &&
           (!node->p.is_interleaved || (has_axes && positions->shape[1] == 3));
}

static bool shape_rmsnorm(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    const rg_value *w = input(g, node, 1);
    set_matrix(out, x->shape[0], x->shape[1]);
    return is_matrix(x) && w->n_dims == 1 && w->dtype == RG_DTYPE_F32 && w->shape[0] != 0 &&
           x->shape[1] % w->shape[0] == 0;
}

static bool shape_linear(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    const rg_value *w = input(g, node, 1);
    set_matrix(out, x->shape[0], w->shape[0]);
    if (node->n_in == 3) {
        const rg_value *bias = input(g, node, 2);
        if (bias->n_dims != 1 || bias->dtype != RG_DTYPE_F32 || bias->shape[0] != w->shape[0]) {
            return false;
        }
    }
    return is_matrix(x) && w->n_dims == 2 && x->shape[1] == w->shape[1];
}

static bool shape_rope(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    const rg_value *table = input(g, node, 1);
    const rg_op_params *p = &node->p;
    set_matrix(out, x->shape[0], x->shape[1]);
    return is_matrix(x) && is_matrix(table) && table->shape[0] == x->shape[0] &&
           table->shape[1] == p->n_rot && p->n_rot % 2 == 0 && p->n_rot <= p->head_dim &&
           p->n_rot <= 2 * RG_ROPE_HALF_MAX && x->shape[1] == (size_t)p->n_head * p->head_dim;
}

// q [T, heads * dim], k [T, dim], w [T, heads], state -> positions [T, n_top]
static bool shape_index(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_op_params *p = &node->p;
    const size_t n_tok = input(g, node, 0)->shape[0];
    set_matrix(out, n_tok, p->n_top);
    out->dtype = RG_DTYPE_I32;
    return p->n_top != 0 && p->n_top <= RG_INDEX_TOP_MAX && p->n_head <= RG_INDEX_HEADS_MAX &&
           p->head_dim <= RG_INDEX_DIM_MAX &&
           is_heads(input(g, node, 0), n_tok, p->n_head, p->head_dim) &&
           is_heads(input(g, node, 1), n_tok, 1, p->head_dim) &&
           is_heads(input(g, node, 2), n_tok, p->n_head, 1) &&
           input(g, node, 3)->kind == RG_VAL_STATE;
}

// of each stretch of positions: how many candidates, their ranks, their positions
static bool shape_candidates(rg_graph *g, const rg_node *node, rg_value *out) {
    set_matrix(out, input(g, node, 0)->shape[0],
               node->p.n_part * (1 + 2 * (size_t)node->p.n_top));
    out->dtype = RG_DTYPE_I32;
    return true;
}

static bool shape_choose(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_op_params *p = &node->p;
    const size_t n_tok = input(g, node, 0)->shape[0];
    set_matrix(out, n_tok, p->n_top);
    out->dtype = RG_DTYPE_I32;
    return p->n_top != 0 && p->n_top <= RG_INDEX_TOP_MAX && p->n_head <= RG_INDEX_HEADS_MAX &&
           p->head_dim <= RG_INDEX_DIM_MAX &&
           is_heads(input(g, node, 0), n_tok, p->n_head, p->head_dim) &&
           is_heads(input(g, node, 1), n_tok, p->n_head, 1) &&
           input(g, node, 2)->kind == RG_VAL_STATE;
}

static bool shape_index_store(rg_graph *g, const rg_node *node, rg_value *out) {
    (void)out;
    return is_matrix(input(g, node, 0)) && input(g, node, 1)->kind == RG_VAL_STATE;
}

static bool shape_attention(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_op_params *p = &node->p;
    const size_t n_tok = input(g, node, 0)->shape[0];
    const bool has_state = node->n_in >= 4 && input(g, node, 3)->kind == RG_VAL_STATE;
    set_matrix(out, n_tok, (size_t)p->n_head * p->v_dim);
    return p->n_kv_head != 0 && p->n_head % p->n_kv_head == 0 &&
           is_heads(input(g, node, 0), n_tok, p->n_head, p->head_dim) &&
           is_heads(input(g, node, 1), n_tok, p->n_kv_head, p->head_dim) &&
           is_heads(input(g, node, 2), n_tok, p->n_kv_head, p->v_dim) &&
           (p->seq_len == 0 || (!has_state && n_tok % p->seq_len == 0)) &&
           (!p->sees_ahead || (!has_state && p->window == 0 && p->chunk == 0)) &&
           (node->n_in < 5 ||
            (has_state && p->n_kv_head == 1 && is_choice(input(g, node, 4), n_tok))) &&
           (node->n_in == 3 || has_state ||
            (is_ids(input(g, node, 3)) && input(g, node, 3)->shape[0] == n_tok));
}

static bool shape_same(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *a = input(g, node, 0);
    set_matrix(out, a->shape[0], a->shape[1]);
    return is_same(a, input(g, node, 1));
}

static bool shape_layernorm(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    set_matrix(out, x->shape[0], x->shape[1]);
    return is_matrix(x) && is_vector(input(g, node, 1), x->shape[1]) &&
           is_vector(input(g, node, 2), x->shape[1]);
}

// dy, x, w -> gradients of x, w and b
static bool shape_layernorm_back(rg_graph *g, const rg_node *node, rg_value *out) {
    for (size_t i = 1; i < 3; i++) {
        out[i].n_dims = 1;
        out[i].shape[0] = input(g, node, 2)->shape[0];
    }
    return shape_same(g, node, &out[0]);
}

// the second may be a vector, which is added to each row
static bool shape_add(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *a = input(g, node, 0);
    const rg_value *b = input(g, node, 1);
    set_matrix(out, a->shape[0], a->shape[1]);
    return is_same(a, b) || (is_matrix(a) && is_vector(b, a->shape[1]));
}

// the gate is as wide as x, or one column
static bool shape_gate(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    const rg_value *gate = input(g, node, 1);
    set_matrix(out, x->shape[0], x->shape[1]);
    return is_matrix(x) && is_matrix(gate) && gate->shape[0] == x->shape[0] &&
           (gate->shape[1] == x->shape[1] || gate->shape[1] == 1);
}

// dy, x, gate -> gradients of x and gate
static bool shape_gate_back(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *gate = input(g, node, 2);
    set_matrix(&out[1], gate->shape[0], gate->shape[1]);
    return shape_same(g, node, &out[0]);
}

static bool shape_select_rows(rg_graph *g, const rg_node *node, rg_value *out) {
    set_matrix(out, input(g, node, 1)->shape[0], input(g, node, 0)->shape[1]);
    return is_matrix(input(g, node, 0)) && is_ids(input(g, node, 1));
}

static bool shape_fold(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    const size_t n_rows = node->p.n_rows;
    const bool fits = is_matrix(x) && n_rows != 0 && x->shape[0] * x->shape[1] % n_rows == 0;
    set_matrix(out, n_rows, fits ? x->shape[0] * x->shape[1] / n_rows : 0);
    return fits;
}

static bool shape_scale(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    set_matrix(out, x->shape[0], x->shape[1]);
    return is_matrix(x);
}

// seed [2]
static bool shape_dropout(rg_graph *g, const rg_node *node, rg_value *out) {
    return shape_scale(g, node, out) && is_ids(input(g, node, 1)) &&
           input(g, node, 1)->shape[0] == 2 && node->p.drop >= 0 && node->p.drop < 1;
}

// logits [T, n], targets [T] -> [T, 1]
static bool shape_cross_entropy(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *logits = input(g, node, 0);
    const rg_value *targets = input(g, node, 1);
    set_matrix(out, logits->shape[0], 1);
    return is_matrix(logits) && is_ids(targets) && targets->shape[0] == logits->shape[0];
}

// dloss [T, 1], logits [T, n], targets [T] -> [T, n]
static bool shape_cross_entropy_dx(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *dloss = input(g, node, 0);
    const rg_value *logits = input(g, node, 1);
    const rg_value *targets = input(g, node, 2);
    set_matrix(out, logits->shape[0], logits->shape[1]);
    return is_matrix(dloss) && dloss->shape[0] == logits->shape[0] && dloss->shape[1] == 1 &&
           is_matrix(logits) && is_ids(targets) && targets->shape[0] == logits->shape[0];
}

// dy [T, n], ids [T] -> [p.n_rows, n]: rows of dy added up where they came from
static bool shape_scatter(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *dy = input(g, node, 0);
    const rg_value *ids = input(g, node, 1);
    set_matrix(out, node->p.n_rows, dy->shape[1]);
    return is_matrix(dy) && is_ids(ids) && ids->shape[0] == dy->shape[0] && node->p.n_rows != 0;
}

// dy [T, n], x [T, n], w [m], n a multiple of m
static bool shape_rmsnorm_dx(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *w = input(g, node, 2);
    return shape_same(g, node, out) && w->n_dims == 1 && w->shape[0] != 0 &&
           out->shape[1] % w->shape[0] == 0;
}

// dy [T, n], x [T, n] -> [p.n_rows], the length of the weight
static bool shape_rmsnorm_dw(rg_graph *g, const rg_node *node, rg_value *out) {
    const bool fits = shape_same(g, node, out) && node->p.n_rows != 0 &&
                      node->p.n_rows <= RG_GRADIENT_ROW_MAX && out->shape[1] % node->p.n_rows == 0;
    out->n_dims = 1;
    out->shape[0] = node->p.n_rows;
    return fits;
}

// dy [T, rows], w [rows, n] -> [T, n]
static bool shape_linear_dx(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *dy = input(g, node, 0);
    const rg_value *w = input(g, node, 1);
    set_matrix(out, dy->shape[0], w->shape[1]);
    return is_matrix(dy) && w->n_dims == 2 && dy->shape[1] == w->shape[0];
}

// dy [T, rows], x [T, n] -> [rows, n]
static bool shape_linear_dw(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *dy = input(g, node, 0);
    const rg_value *x = input(g, node, 1);
    set_matrix(out, dy->shape[1], x->shape[1]);
    return is_matrix(dy) && is_matrix(x) && dy->shape[0] == x->shape[0];
}

static bool shape_column_sum(rg_graph *g, const rg_node *node, rg_value *out) {
    out->dtype = RG_DTYPE_F32;
    out->n_dims = 1;
    out->shape[0] = input(g, node, 0)->shape[1];
    return is_matrix(input(g, node, 0));
}

// dy, gate, up all [T, n]
static bool shape_swiglu_back(rg_graph *g, const rg_node *node, rg_value *out) {
    const bool fits = shape_same(g, node, &out[0]);
    out[1] = out[0];
    return fits && is_same(input(g, node, 1), input(g, node, 2));
}

// dy, q, k, v -> gradients of q, k, v
static bool shape_attention_back(rg_graph *g, const rg_node *node, rg_value *out) {
    for (size_t i = 0; i < 3; i++) {
        const rg_value *of = input(g, node, i + 1);
        set_matrix(&out[i], of->shape[0], of->shape[1]);
    }
    return is_matrix(input(g, node, 0));
}

// ---- recurrences ----

static bool shape_columns(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    const rg_op_params *p = &node->p;
    set_matrix(out, x->shape[0], (size_t)p->n_part * p->width);
    return is_matrix(x) && p->n_part != 0 && x->shape[1] % p->n_part == 0 && p->width != 0 &&
           (size_t)p->from + p->width <= x->shape[1] / p->n_part;
}

// dy [T, n_part * width] -> [T, p.n_rows], zero where nothing came from
static bool shape_columns_dx(rg_graph *g, const rg_node *node, rg_value *out) {
    set_matrix(out, input(g, node, 0)->shape[0], node->p.n_rows);
    return is_matrix(input(g, node, 0)) && node->p.n_part != 0 &&
           node->p.n_rows % node->p.n_part == 0;
}

static bool shape_join(rg_graph *g, const rg_node *node, rg_value *out) {
    const size_t n_part = node->p.n_part == 0 ? 1 : node->p.n_part;
    size_t width = 0;
    bool fits = true;
    for (size_t i = 0; i < node->n_in; i++) {
        const rg_value *x = input(g, node, i);
        const bool is_one = node->p.is_shared && i + 1 == node->n_in;
        fits = fits && is_matrix(x) && x->shape[0] == input(g, node, 0)->shape[0] &&
               (is_one || x->shape[1] % n_part == 0);
        width += x->shape[1] * (is_one ? n_part : 1);
    }
    set_matrix(out, input(g, node, 0)->shape[0], width);
    return fits;
}

// x [T, n], factors [T, 1]
static bool shape_scale_rows(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    set_matrix(out, x->shape[0], x->shape[1]);
    return is_matrix(x) && is_heads(input(g, node, 1), x->shape[0], 1, 1);
}

// dy, x, factors -> gradients of x and factors
static bool shape_scale_rows_back(rg_graph *g, const rg_node *node, rg_value *out) {
    set_matrix(&out[1], input(g, node, 2)->shape[0], 1);
    return shape_same(g, node, &out[0]);
}

static bool shape_temperature(rg_graph *g, const rg_node *node, rg_value *out) {
    set_matrix(out, input(g, node, 0)->shape[0], 1);
    return is_ids(input(g, node, 0)) && node->p.n_rows != 0;
}

// columns of all parts added up
static bool shape_part_sum(rg_graph *g, const rg_node *node, rg_value *out) {
    const bool fits = shape_columns(g, node, out);
    out->shape[1] = node->p.width;
    return fits;
}

// x [T, n * k], w [n, rows, k] -> [T, n * rows]
static bool shape_heads(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    const rg_value *w = input(g, node, 1);
    set_matrix(out, x->shape[0], w->shape[0] * w->shape[1]);
    return is_matrix(x) && w->n_dims == 3 && x->shape[1] == w->shape[0] * w->shape[2];
}

// dy [T, n * rows], w -> [T, n * k]
static bool shape_heads_dx(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *dy = input(g, node, 0);
    const rg_value *w = input(g, node, 1);
    set_matrix(out, dy->shape[0], w->shape[0] * w->shape[2]);
    return is_matrix(dy) && w->n_dims == 3 && dy->shape[1] == w->shape[0] * w->shape[1];
}

// dy [T, n * rows], x [T, n * k] -> [n, rows, k]
static bool shape_heads_dw(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *dy = input(g, node, 0);
    const rg_value *x = input(g, node, 1);
    const size_t n = node->p.n_part;
    out->dtype = RG_DTYPE_F32;
    out->n_dims = 3;
    out->shape[0] = n;
    out->shape[1] = n == 0 ? 0 : dy->shape[1] / n;
    out->shape[2] = n == 0 ? 0 : x->shape[1] / n;
    return is_matrix(dy) && is_matrix(x) && dy->shape[0] == x->shape[0] && n != 0 &&
           dy->shape[1] % n == 0 && x->shape[1] % n == 0;
}

// a state, or positions of n_tok tokens
static bool is_beside(const rg_value *v, size_t n_tok) {
    return v->kind == RG_VAL_STATE || (is_ids(v) && v->shape[0] == n_tok);
}

static bool shape_conv(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    const rg_value *w = input(g, node, 1);
    set_matrix(out, x->shape[0], x->shape[1]);
    return is_matrix(x) && is_matrix(w) && w->shape[0] == x->shape[1] &&
           w->shape[1] <= RG_CONV_KERNEL_MAX && is_beside(input(g, node, 2), x->shape[0]) &&
           (node->p.width == 0 || (size_t)node->p.from + x->shape[1] <= node->p.width);
}

// dy, x, w, positions -> gradients of x and w
static bool shape_conv_back(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *w = input(g, node, 2);
    set_matrix(&out[1], w->shape[0], w->shape[1]);
    return shape_same(g, node, &out[0]) && is_ids(input(g, node, 3));
}

static bool shape_decay(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    set_matrix(out, x->shape[0], x->shape[1]);
    const rg_value *a = input(g, node, 1);
    return is_matrix(x) && is_vector(a, a->shape[0]) && a->shape[0] != 0 &&
           x->shape[1] % a->shape[0] == 0 && is_vector(input(g, node, 2), x->shape[1]);
}

// dy, x, a, dt -> gradients of x, a and dt
static bool shape_decay_back(rg_graph *g, const rg_node *node, rg_value *out) {
    for (size_t i = 1; i < 3; i++) {
        out[i].dtype = RG_DTYPE_F32;
        out[i].n_dims = 1;
        out[i].shape[0] = input(g, node, i + 1)->shape[0];
    }
    return shape_same(g, node, &out[0]);
}

static bool shape_delta(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_op_params *p = &node->p;
    const size_t n_tok = input(g, node, 0)->shape[0];
    set_matrix(out, n_tok, (size_t)p->n_head * p->v_dim);
    return p->n_kv_head != 0 && p->n_head % p->n_kv_head == 0 && p->head_dim != 0 &&
           p->head_dim <= RG_DELTA_DIM_MAX && p->v_dim != 0 && p->v_dim <= RG_DELTA_DIM_MAX &&
           is_heads(input(g, node, 0), n_tok, p->n_kv_head, p->head_dim) &&
           is_heads(input(g, node, 1), n_tok, p->n_kv_head, p->head_dim) &&
           is_heads(input(g, node, 2), n_tok, p->n_head, p->v_dim) &&
           (is_heads(input(g, node, 3), n_tok, p->n_head, 1) ||
            is_heads(input(g, node, 3), n_tok, p->n_head, p->head_dim)) &&
           is_heads(input(g, node, 4), n_tok, p->n_head, 1) && is_beside(input(g, node, 5), n_tok);
}

// dy, q, k, v, decay, beta, positions -> gradients of the five, and S of each head where a stretch
// begins and at each token of one stretch
static bool shape_delta_back(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_op_params *p = &node->p;
    for (size_t i = 0; i < 5; i++) {
        const rg_value *of = input(g, node, i + 1);
        set_matrix(&out[i], of->shape[0], of->shape[1]);
    }
    const size_t n_tok = input(g, node, 0)->shape[0];
    const size_t n_kept = (n_tok + RG_DELTA_STRETCH - 1) / RG_DELTA_STRETCH + RG_DELTA_STRETCH + 1;
    set_matrix(&out[5], p->n_head * n_kept, (size_t)p->head_dim * p->v_dim);
    return is_matrix(input(g, node, 0)) && is_ids(input(g, node, 6));
}

// ---- experts ----

static bool is_stack(const rg_value *w, size_t n_expert) {
    return w->n_dims == 3 && w->shape[0] == n_expert;
}

// logits [T, E], bias [E] -> weights [T, n_top], chosen [T, n_top]
static bool shape_route(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *logits = input(g, node, 0);
    const rg_op_params *p = &node->p;
    const size_t n = logits->shape[1];
    const size_t n_group = p->n_group == 0 ? 1 : p->n_group;
    set_matrix(&out[0], logits->shape[0], p->n_top);
    out[1] = out[0];
    out[1].dtype = RG_DTYPE_I32;
    return is_matrix(logits) && n <= RG_EXPERTS_MAX && n % n_group == 0 && p->n_top != 0 &&
           p->n_top <= (n_group == 1 ? n : n / n_group * p->n_group_used) &&
           (p->n_group == 0 || (p->n_group_used >= 1 && p->n_group_used <= n_group)) &&
           (node->n_in == 1 || is_vector(input(g, node, 1), n));
}

// chosen [T, n_top] -> tokens, places [T * n_top], starts [n_rows + 1]
static bool shape_dispatch(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *chosen = input(g, node, 0);
    set_ids(&out[0], chosen->shape[0] * chosen->shape[1]);
    out[1] = out[0];
    set_ids(&out[2], node->p.n_rows + 1);
    return chosen->n_dims == 2 && chosen->dtype == RG_DTYPE_I32 && node->p.n_rows != 0 &&
           node->p.n_rows <= RG_EXPERTS_MAX;
}

// x [n, k], w [E, rows, k], starts [E + 1] -> [n, rows]
static bool shape_experts(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    const rg_value *w = input(g, node, 1);
    const rg_value *starts = input(g, node, 2);
    set_matrix(out, x->shape[0], w->shape[1]);
    return is_matrix(x) && is_ids(starts) && is_stack(w, starts->shape[0] - 1) &&
           w->shape[2] == x->shape[1];
}

// y [T * n_top, n], weights [T, n_top], places [T * n_top] -> [T, n]
static bool shape_combine(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *y = input(g, node, 0);
    const rg_value *weights = input(g, node, 1);
    const rg_value *places = input(g, node, 2);
    set_matrix(out, weights->shape[0], y->shape[1]);
    return is_matrix(y) && is_matrix(weights) && is_ids(places) &&
           y->shape[0] == weights->shape[0] * weights->shape[1] && places->shape[0] == y->shape[0];
}

// dweights [T, n_top], logits [T, E], chosen [T, n_top] -> [T, E]
static bool shape_route_dx(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *logits = input(g, node, 1);
    set_matrix(out, logits->shape[0], logits->shape[1]);
    return is_matrix(input(g, node, 0)) && is_matrix(logits);
}

// dy [n, rows], w [E, rows, k], starts -> [n, k]
static bool shape_experts_dx(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *dy = input(g, node, 0);
    const rg_value *w = input(g, node, 1);
    set_matrix(out, dy->shape[0], w->shape[2]);
    return is_matrix(dy) && is_stack(w, input(g, node, 2)->shape[0] - 1) &&
           dy->shape[1] == w->shape[1];
}

// dy [n, rows], x [n, k], starts -> [E, rows, k]
static bool shape_experts_dw(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *dy = input(g, node, 0);
    const rg_value *x = input(g, node, 1);
    out->dtype = RG_DTYPE_F32;
    out->n_dims = 3;
    out->shape[0] = input(g, node, 2)->shape[0] - 1;
    out->shape[1] = dy->shape[1];
    out->shape[2] = x->shape[1];
    return is_matrix(dy) && is_matrix(x) && dy->shape[0] == x->shape[0];
}

// dout [T, n], y, weights, places -> gradients of y and of weights
static bool shape_combine_back(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *y = input(g, node, 1);
    const rg_value *weights = input(g, node, 2);
    set_matrix(&out[0], y->shape[0], y->shape[1]);
    set_matrix(&out[1], weights->shape[0], weights->shape[1]);
    return is_matrix(input(g, node, 0)) && is_matrix(y) && is_matrix(weights);
}

// the bytes depend on the form; a backend sets them after appending the node
static bool shape_act_prep(rg_graph *g, const rg_node *node, rg_value *out) {
    const rg_value *x = input(g, node, 0);
    set_matrix(out, x->shape[0], x->shape[1]);
    return is_matrix(x);
}

static bool shape_kv_store(rg_graph *g, const rg_node *node, rg_value *out) {
    (void)out;
    return is_matrix(input(g, node, 0)) && is_matrix(input(g, node, 1)) &&
           input(g, node, 2)->kind == RG_VAL_STATE;
}

static bool shape_attend(rg_graph *g, const rg_node *node, rg_value *out) {
    set_matrix(out, input(g, node, 0)->shape[0], (size_t)node->p.n_head * node->p.v_dim);
    return input(g, node, 1)->kind == RG_VAL_STATE &&
           (node->n_in == 2 || is_choice(input(g, node, 2), input(g, node, 0)->shape[0]));
}

// ---- costs ----

static double count(const rg_value *v) {
    double n = 1;
    for (uint32_t d = 0; d < v->n_dims; d++) {
        n *= (double)v->shape[d];
    }
    return n;
}

static double value_bytes(const rg_value *v) {
    const rg_dtype_info *info = rg_dtype_get(v->dtype);
    return v->kind == RG_VAL_STATE ? 0 : count(v) / info->block * info->block_bytes;
}

// reads its inputs and writes its outputs once, about one operation a value
static rg_cost cost_elementwise(const rg_graph *g, const rg_node *node) {
    rg_cost cost = {0, 0};
    for (size_t i = 0; i < node->n_in; i++) {
        cost.bytes += value_bytes(input(g, node, i));
    }
    for (size_t i = 0; i < node->n_out; i++) {
        cost.bytes += value_bytes(&g->values[node->out[i]]);
        cost.ops += count(&g->values[node->out[i]]);
    }
    return cost;
}

// gathers read the rows that they copy, not the whole table
static rg_cost cost_gather(const rg_graph *g, const rg_node *node) {
    const double bytes = 2 * value_bytes(&g->values[node->out[0]]);
    return (rg_cost){0, bytes};
}

// each row meets one expert; of the others nothing is read
static rg_cost cost_experts(const rg_graph *g, const rg_node *node) {
    const rg_value *x = input(g, node, 0);
    const rg_value *w = &g->values[node->op == RG_OP_EXPERTS_DW ? node->out[0] : node->in[1]];
    const double one = count(w) / (double)w->shape[0];
    const double used = (double)(x->shape[0] < w->shape[0] ? x->shape[0] : w->shape[0]);
    return (rg_cost){2.0 * (double)x->shape[0] * one,
                     value_bytes(w) / (double)w->shape[0] * used + value_bytes(x)};
}

// T x rows x n multiply-adds, whichever two of the three the inputs bring
static rg_cost cost_product(const rg_graph *g, const rg_node *node) {
    rg_cost cost = cost_elementwise(g, node);
    const rg_value *a = input(g, node, 0);
    const rg_value *b = input(g, node, 1);
    cost.ops = node->op == RG_OP_LINEAR_DW
                   ? 2.0 * (double)a->shape[0] * (double)a->shape[1] * (double)b->shape[1]
                   : 2.0 * (double)a->shape[0] * count(b);
    return cost;
}

// every token meets all of the matrices
static rg_cost cost_heads(const rg_graph *g, const rg_node *node) {
    rg_cost cost = cost_elementwise(g, node);
    cost.ops = 2.0 * (double)input(g, node, 0)->shape[0] * count(input(g, node, 1));
    return cost;
}

// about eight operations a value of S and token
static rg_cost cost_delta(const rg_graph *g, const rg_node *node) {
    rg_cost cost = cost_elementwise(g, node);
    cost.ops = 8.0 * (double)input(g, node, 0)->shape[0] * node->p.n_head * node->p.head_dim *
               node->p.v_dim;
    return cost;
}

// among the tokens of the graph; what lies in the state adds to it at run time
static rg_cost cost_attention(const rg_graph *g, const rg_node *node) {
    rg_cost cost = cost_elementwise(g, node);
    const double n_tok = (double)input(g, node, 0)->shape[0];
    cost.ops = n_tok * n_tok * node->p.n_head * ((double)node->p.head_dim + node->p.v_dim);
    return cost;
}

// the rest of each row: shape rule, cost, backward rule
// clang-format off
#define RULES_EMBED          shape_embed,          cost_gather,      rg_back_embed
#define RULES_ROPE_TABLE     shape_rope_table,     cost_elementwise, NULL
#define RULES_RMSNORM        shape_rmsnorm,        cost_elementwise, rg_back_rmsnorm
#define RULES_LINEAR         shape_linear,         cost_product,     rg_back_linear
#define RULES_ROPE           shape_rope,           cost_elementwise, rg_back_rope
#define RULES_ATTENTION      shape_attention,      cost_attention,   rg_back_attention
#define RULES_GELU           shape_scale,          cost_elementwise, rg_back_gelu
#define RULES_GELU_BACK      shape_same,           cost_elementwise, NULL
#define RULES_FOLD           shape_fold,           cost_elementwise, rg_back_fold
#define RULES_ADD            shape_add,            cost_elementwise, rg_back_add
#define RULES_SWIGLU         shape_same,           cost_elementwise, rg_back_swiglu
#define RULES_GATE           shape_gate,           cost_elementwise, rg_back_gate
#define RULES_GATE_BACK      shape_gate_back,      cost_elementwise, NULL
#define RULES_COLUMNS        shape_columns,        cost_elementwise, rg_back_columns
#define RULES_COLUMNS_DX     shape_columns_dx,     cost_elementwise, NULL
#define RULES_JOIN           shape_join,           cost_elementwise, rg_back_join
#define RULES_LAYERNORM      shape_layernorm,      cost_elementwise, rg_back_layernorm
#define RULES_LAYERNORM_BACK shape_layernorm_back, cost_elementwise, NULL
#define RULES_INDEX          shape_index,          cost_attention,   NULL
#define RULES_INDEX_STORE    shape_index_store,    cost_elementwise, NULL
#define RULES_CANDIDATES     shape_candidates,     cost_attention,   NULL
#define RULES_CHOOSE         shape_choose,         cost_attention,   NULL
#define RULES_SCALE_ROWS     shape_scale_rows,     cost_elementwise, rg_back_scale_rows
#define RULES_SCALE_ROWS_BACK shape_scale_rows_back, cost_elementwise, NULL
#define RULES_TEMPERATURE    shape_temperature,    cost_elementwise, NULL
#define RULES_PART_SUM       shape_part_sum,       cost_elementwise, NULL
#define RULES_HEADS          shape_heads,          cost_heads,       rg_back_heads
#define RULES_HEADS_DX       shape_heads_dx,       cost_heads,       NULL
#define RULES_HEADS_DW       shape_heads_dw,       cost_elementwise, NULL
#define RULES_CONV           shape_conv,           cost_elementwise, rg_back_conv
#define RULES_CONV_BACK      shape_conv_back,      cost_elementwise, NULL
#define RULES_DECAY          shape_decay,          cost_elementwise, rg_back_decay
#define RULES_DECAY_BACK     shape_decay_back,     cost_elementwise, NULL
#define RULES_DELTA          shape_delta,          cost_delta,       rg_back_delta
#define RULES_DELTA_BACK     shape_delta_back,     cost_delta,       NULL
#define RULES_SELECT_ROWS    shape_select_rows,    cost_gather,      rg_back_select_rows
#define RULES_SCALE          shape_scale,          cost_elementwise, rg_back_scale
#define RULES_DROPOUT        shape_dropout,        cost_elementwise, rg_back_dropout
#define RULES_CROSS_ENTROPY  shape_cross_entropy,  cost_elementwise, rg_back_cross_entropy
#define RULES_CROSS_ENTROPY_DX shape_cross_entropy_dx, cost_elementwise, NULL
#define RULES_EMBED_DW       shape_scatter,        cost_elementwise, NULL
#define RULES_RMSNORM_DX     shape_rmsnorm_dx,     cost_elementwise, NULL
#define RULES_RMSNORM_DW     shape_rmsnorm_dw,     cost_elementwise, NULL
#define RULES_LINEAR_DX      shape_linear_dx,      cost_product,     NULL
#define RULES_LINEAR_DW      shape_linear_dw,      cost_product,     NULL
#define RULES_COLUMN_SUM     shape_column_sum,     cost_elementwise, NULL
#define RULES_SWIGLU_BACK    shape_swiglu_back,    cost_elementwise, NULL
#define RULES_ATTENTION_BACK shape_attention_back, cost_attention,   NULL
#define RULES_SELECT_ROWS_DX shape_scatter,        cost_elementwise, NULL
#define RULES_HYPER          rg_shape_hyper,       cost_elementwise, rg_back_hyper
#define RULES_HYPER_IN       rg_shape_hyper_in,    cost_elementwise, rg_back_hyper_in
#define RULES_HYPER_OUT      rg_shape_hyper_out,   cost_elementwise, rg_back_hyper_out
#define RULES_HYPER_BACK     rg_shape_hyper_back,  cost_elementwise, NULL
#define RULES_HYPER_IN_BACK  rg_shape_hyper_in_back, cost_elementwise, NULL
#define RULES_HYPER_OUT_BACK rg_shape_hyper_out_back, cost_elementwise, NULL
#define RULES_CLAMP          rg_shape_clamp,       cost_elementwise, rg_back_clamp
#define RULES_CLAMP_DX       rg_shape_clamp_dx,    cost_elementwise, NULL
#define RULES_COMPRESS       rg_shape_compress,    cost_elementwise, NULL
#define RULES_COMPRESS_MIX   rg_shape_compress_mix, cost_elementwise, rg_back_compress_mix
#define RULES_COMPRESS_MIX_BACK rg_shape_compress_mix_back, cost_elementwise, NULL
#define RULES_COMPRESSED_ATTENTION rg_shape_compressed_attention, cost_attention, rg_back_compressed_attention
#define RULES_COMPRESSED_ATTENTION_BACK rg_shape_compressed_back, cost_attention, NULL
#define RULES_ROUTE_LISTED   rg_shape_route_listed, cost_elementwise, rg_back_route
#define RULES_ROUTE          shape_route,          cost_elementwise, rg_back_route
#define RULES_DISPATCH       shape_dispatch,       cost_elementwise, NULL
#define RULES_EXPERTS        shape_experts,        cost_experts,     rg_back_experts
#define RULES_COMBINE        shape_combine,        cost_elementwise, rg_back_combine
#define RULES_ROUTE_DX       shape_route_dx,       cost_elementwise, NULL
#define RULES_EXPERTS_DX     shape_experts_dx,     cost_experts,     NULL
#define RULES_EXPERTS_DW     shape_experts_dw,     cost_experts,     NULL
#define RULES_COMBINE_BACK   shape_combine_back,   cost_elementwise, NULL
#define RULES_ACT_PREP       shape_act_prep,       cost_elementwise, NULL
#define RULES_KV_STORE       shape_kv_store,       cost_elementwise, NULL
#define RULES_ATTEND         shape_attend,         cost_attention,   NULL
// clang-format on

static const rg_op_info table[RG_OP_COUNT] = {
#define RG_OP_ROW(id, name, in_min, in_max, n_out, is_rowwise)                                     \
    [RG_OP_##id] = {name, in_min, in_max, n_out, is_rowwise, RULES_##id},
    RG_OP_LIST(RG_OP_ROW)
#undef RG_OP_ROW
};

const rg_op_info *rg_op_get(rg_op op) {
    return &table[op];
}

rg_cost rg_graph_cost(const rg_graph *g) {
    rg_cost sum = {0, 0};
    for (size_t i = 0; i < g->n_nodes; i++) {
        const rg_cost cost = rg_op_get(g->nodes[i].op)->cost(g, &g->nodes[i]);
        sum.ops += cost.ops;
        sum.bytes += cost.bytes;
    }
    return sum;
}
