#include "graph/graph.h"

#include "graph/op.h"

#include <string.h>

void rg_graph_init(rg_graph *g, const rg_mem *mem) {
    *g = (rg_graph){.mem = mem};
}

void rg_graph_clear(rg_graph *g) {
    rg_free(g->mem, g->values);
    rg_free(g->mem, g->nodes);
    rg_free(g->mem, g->marks);
    rg_graph_init(g, g->mem);
}

rg_status rg_graph_check(const rg_graph *g, rg_error *err) {
    if (g->error.status != RG_OK && err != NULL) {
        *err = g->error;
    }
    return g->error.status;
}

// room for one more element of an array that doubles
static bool grow(rg_graph *g, void **array, size_t n, size_t *cap, size_t size) {
    if (g->error.status != RG_OK) {
        return false;
    }
    if (n < *cap) {
        return true;
    }
    const size_t bigger = *cap == 0 ? 256 : *cap * 2;
    void *grown = rg_new_array(g->mem, bigger, size);
    if (grown == NULL) {
        rg_fail(&g->error, RG_E_MEMORY, "no memory for a graph of %zu nodes", bigger);
        return false;
    }
    if (n != 0) {
        memcpy(grown, *array, n * size);
    }
    rg_free(g->mem, *array);
    *array = grown;
    *cap = bigger;
    return true;
}

static rg_val add_value(rg_graph *g, const rg_value *value) {
    if (!grow(g, (void **)&g->values, g->n_values, &g->values_cap, sizeof *g->values)) {
        return RG_VAL_NONE;
    }
    g->values[g->n_values] = *value;
    return (rg_val)g->n_values++;
}

rg_val rg_graph_weight(rg_graph *g, uint32_t slot, const rg_tensor *weight) {
    rg_value value = {
        .kind = RG_VAL_WEIGHT, .dtype = weight->dtype, .n_dims = weight->n_dims, .slot = slot};
    memcpy(value.shape, weight->shape, sizeof value.shape);
    return add_value(g, &value);
}

rg_val rg_graph_input(rg_graph *g, uint32_t slot, rg_dtype dtype, size_t rows, size_t width) {
    const rg_value value = {.kind = RG_VAL_INPUT,
                            .dtype = dtype,
                            .n_dims = width == 0 ? 1 : 2,
                            .shape = {rows, width},
                            .slot = slot};
    return add_value(g, &value);
}

rg_val rg_graph_state(rg_graph *g, uint32_t layer) {
    const rg_value value = {.kind = RG_VAL_STATE, .slot = layer};
    return add_value(g, &value);
}

rg_val rg_graph_temp(rg_graph *g, rg_dtype dtype, size_t rows, size_t width, size_t bytes) {
    const rg_value value = {
        .kind = RG_VAL_TEMP, .dtype = dtype, .n_dims = 2, .shape = {rows, width}, .bytes = bytes};
    return add_value(g, &value);
}

void rg_graph_mark(rg_graph *g) {
    if (grow(g, (void **)&g->marks, g->n_marks, &g->marks_cap, sizeof *g->marks)) {
        g->marks[g->n_marks++] = (uint32_t)g->n_nodes;
    }
}

void rg_graph_keep(rg_graph *g, rg_val v) {
    if (v < g->n_values) {
        g->values[v].is_output = true;
    }
}

rg_val rg_graph_node(rg_graph *g, rg_op op, const rg_val *in, size_t n_in, const rg_op_params *p) {
    const rg_op_info *info = rg_op_get(op);
    if (g->error.status != RG_OK) {
        return RG_VAL_NONE;
    }
    rg_node node = {.op = op, .n_out = info->n_out};
    if (p != NULL) {
        node.p = *p;
    }

    // optional inputs come last and may be absent
    for (size_t i = 0; i < n_in; i++) {
        if (in[i] >= g->n_values && !(in[i] == RG_VAL_NONE && i >= info->in_min)) {
            rg_fail(&g->error, RG_E_INTERNAL, "input %zu of op %s does not exist", i, info->name);
            return RG_VAL_NONE;
        }
        if (in[i] != RG_VAL_NONE) {
            node.in[node.n_in++] = in[i];
        }
    }
    if (node.n_in < info->in_min || node.n_in > info->in_max) {
        rg_fail(&g->error, RG_E_INTERNAL, "op %s got %u inputs", info->name, node.n_in);
        return RG_VAL_NONE;
    }

    rg_value out[RG_NODE_OUT_MAX] = {0};
    if (!info->shape(g, &node, out)) {
        if (g->error.status == RG_OK) {
            rg_fail(&g->error, RG_E_INTERNAL, "the shapes given to op %s do not fit", info->name);
        }
        return RG_VAL_NONE;
    }
    for (size_t i = 0; i < info->n_out; i++) {
        out[i].kind = RG_VAL_TEMP;
        if (out[i].bytes == 0) {
            size_t n = 1;
            bool fits = true;
            for (uint32_t d = 0; d < out[i].n_dims; d++) {
                fits = fits && rg_mul_size(n, out[i].shape[d], &n);
            }
            if (!fits || !rg_mul_size(n, sizeof(float), &out[i].bytes)) {
                rg_fail(&g->error, RG_E_LIMIT, "the result of op %s is too large", info->name);
                return RG_VAL_NONE;
            }
        }
        node.out[i] = add_value(g, &out[i]);
    }
    if (!grow(g, (void **)&g->nodes, g->n_nodes, &g->nodes_cap, sizeof *g->nodes)) {
        return RG_VAL_NONE;
    }
    g->nodes[g->n_nodes++] = node;
    return info->n_out == 0 ? RG_VAL_NONE : node.out[0];
}

rg_val rg_embed(rg_graph *g, rg_val ids, rg_val w) {
    return rg_graph_node(g, RG_OP_EMBED, (rg_val[]){ids, w}, 2, NULL);
}

rg_val rg_rope_table(rg_graph *g, rg_val positions, rg_val inv_freq, float scale) {
    const rg_op_params p = {.scale = scale};
    return rg_graph_node(g, RG_OP_ROPE_TABLE, (rg_val[]){positions, inv_freq}, 2, &p);
}

rg_val rg_rope_table_back(rg_graph *g, rg_val positions, rg_val inv_freq, uint32_t back) {
    const rg_op_params p = {.scale = 1, .from = back};
    return rg_graph_node(g, RG_OP_ROPE_TABLE, (rg_val[]){positions, inv_freq}, 2, &p);
}

rg_val rg_rope_axes_table(rg_graph *g, rg_val positions, rg_val inv_freq, float scale,
                          const uint32_t *sections, bool is_interleaved) {
    rg_op_params p = {.scale = scale, .is_interleaved = is_interleaved};
    if (positions != RG_VAL_NONE && g->values[positions].n_dims == 2) {
        const size_t n = g->values[positions].shape[1];
        memcpy(p.sections, sections,
               (n < RG_ROPE_AXES_MAX ? n : RG_ROPE_AXES_MAX) * sizeof *sections);
    }
    return rg_graph_node(g, RG_OP_ROPE_TABLE, (rg_val[]){positions, inv_freq}, 2, &p);
}

rg_val rg_gelu(rg_graph *g, rg_val x, bool is_tanh) {
    const rg_op_params p = {.is_tanh = is_tanh};
    return rg_graph_node(g, RG_OP_GELU, &x, 1, &p);
}

rg_val rg_fold(rg_graph *g, rg_val x, size_t n_rows) {
    const rg_op_params p = {.n_rows = n_rows};
    return rg_graph_node(g, RG_OP_FOLD, &x, 1, &p);
}

rg_val rg_rmsnorm(rg_graph *g, rg_val x, rg_val w, float eps) {
    const rg_op_params p = {.eps = eps};
    return rg_graph_node(g, RG_OP_RMSNORM, (rg_val[]){x, w}, 2, &p);
}

rg_val rg_linear(rg_graph *g, rg_val x, rg_val w, rg_val bias) {
    return rg_graph_node(g, RG_OP_LINEAR, (rg_val[]){x, w, bias}, 3, NULL);
}

rg_val rg_rope(rg_graph *g, rg_val x, rg_val table, const rg_op_params *p) {
    return rg_graph_node(g, RG_OP_ROPE, (rg_val[]){x, table}, 2, p);
}

rg_val rg_attention(rg_graph *g, rg_val q, rg_val k, rg_val v, rg_val beside,
                    const rg_op_params *p) {
    return rg_graph_node(g, RG_OP_ATTENTION, (rg_val[]){q, k, v, beside}, 4, p);
}

rg_val rg_layernorm(rg_graph *g, rg_val x, rg_val w, rg_val b, float eps) {
    const rg_op_params p = {.eps = eps};
    return rg_graph_node(g, RG_OP_LAYERNORM, (rg_val[]){x, w, b}, 3, &p);
}

rg_val rg_index(rg_graph *g, rg_val q, rg_val k, rg_val w, rg_val state, const rg_op_params *p) {
    return rg_graph_node(g, RG_OP_INDEX, (rg_val[]){q, k, w, state}, 4, p);
}

rg_val rg_attention_of(rg_graph *g, const rg_val qkv[3], rg_val state, rg_val chosen,
                       const rg_op_params *p) {
    return rg_graph_node(g, RG_OP_ATTENTION, (rg_val[]){qkv[0], qkv[1], qkv[2], state, chosen}, 5,
                         p);
}

rg_val rg_add(rg_graph *g, rg_val a, rg_val b) {
    return rg_graph_node(g, RG_OP_ADD, (rg_val[]){a, b}, 2, NULL);
}

rg_val rg_swiglu(rg_graph *g, rg_val gate, rg_val up) {
    return rg_graph_node(g, RG_OP_SWIGLU, (rg_val[]){gate, up}, 2, NULL);
}

rg_val rg_gate(rg_graph *g, rg_val x, rg_val gate) {
    return rg_graph_node(g, RG_OP_GATE, (rg_val[]){x, gate}, 2, NULL);
}

rg_val rg_columns(rg_graph *g, rg_val x, uint32_t n_part, uint32_t from, uint32_t width) {
    const rg_op_params p = {.n_part = n_part, .from = from, .width = width};
    return rg_graph_node(g, RG_OP_COLUMNS, &x, 1, &p);
}

rg_val rg_join(rg_graph *g, rg_val a, rg_val b, rg_val c) {
    return rg_graph_node(g, RG_OP_JOIN, (rg_val[]){a, b, c}, 3, NULL);
}

rg_val rg_join_parts(rg_graph *g, rg_val a, rg_val b, uint32_t n_part, bool is_shared) {
    const rg_op_params p = {.n_part = n_part, .is_shared = is_shared};
    return rg_graph_node(g, RG_OP_JOIN, (rg_val[]){a, b}, 2, &p);
}

rg_val rg_heads(rg_graph *g, rg_val x, rg_val w) {
    return rg_graph_node(g, RG_OP_HEADS, (rg_val[]){x, w}, 2, NULL);
}

rg_val rg_conv(rg_graph *g, rg_val x, rg_val w, rg_val beside) {
    return rg_graph_node(g, RG_OP_CONV, (rg_val[]){x, w, beside}, 3, NULL);
}

rg_val rg_conv_part(rg_graph *g, rg_val x, rg_val w, rg_val beside, uint32_t from, uint32_t width) {
    const rg_op_params p = {.from = from, .width = width};
    return rg_graph_node(g, RG_OP_CONV, (rg_val[]){x, w, beside}, 3, &p);
}

rg_val rg_decay(rg_graph *g, rg_val x, rg_val a, rg_val dt, bool is_log) {
    const rg_op_params p = {.is_log = is_log};
    return rg_graph_node(g, RG_OP_DECAY, (rg_val[]){x, a, dt}, 3, &p);
}

rg_val rg_delta(rg_graph *g, const rg_val in[5], rg_val beside, const rg_op_params *p) {
    return rg_graph_node(g, RG_OP_DELTA, (rg_val[]){in[0], in[1], in[2], in[3], in[4], beside}, 6,
                         p);
}

rg_val rg_scale_rows(rg_graph *g, rg_val x, rg_val factors) {
    return rg_graph_node(g, RG_OP_SCALE_ROWS, (rg_val[]){x, factors}, 2, NULL);
}

rg_val rg_temperature(rg_graph *g, rg_val positions, float scale, size_t every) {
    const rg_op_params p = {.scale = scale, .n_rows = every};
    return rg_graph_node(g, RG_OP_TEMPERATURE, &positions, 1, &p);
}

rg_val rg_select_rows(rg_graph *g, rg_val x, rg_val rows) {
    return rg_graph_node(g, RG_OP_SELECT_ROWS, (rg_val[]){x, rows}, 2, NULL);
}

// what follows from the choice of the node just made
static rg_routing dispatch(rg_graph *g, rg_val weights, rg_val logits) {
    rg_routing r = {weights, RG_VAL_NONE, RG_VAL_NONE, RG_VAL_NONE};
    if (r.weights != RG_VAL_NONE) {
        const rg_val chosen = g->nodes[g->n_nodes - 1].out[1];
        const rg_op_params d = {.n_rows = g->values[logits].shape[1]};
        r.tokens = rg_graph_node(g, RG_OP_DISPATCH, &chosen, 1, &d);
    }
    if (r.tokens != RG_VAL_NONE) {
        const rg_node *made = &g->nodes[g->n_nodes - 1];
        r.places = made->out[1];
        r.starts = made->out[2];
    }
    return r;
}

rg_routing rg_route(rg_graph *g, rg_val logits, rg_val bias, const rg_op_params *p) {
    return dispatch(g, rg_graph_node(g, RG_OP_ROUTE, (rg_val[]){logits, bias}, 2, p), logits);
}

rg_routing rg_route_listed(rg_graph *g, rg_val logits, rg_val table, rg_val ids,
                           const rg_op_params *p) {
    return dispatch(g, rg_graph_node(g, RG_OP_ROUTE_LISTED, (rg_val[]){logits, table, ids}, 3, p),
                    logits);
}

rg_val rg_experts(rg_graph *g, rg_val x, rg_val w, rg_val starts) {
    return rg_graph_node(g, RG_OP_EXPERTS, (rg_val[]){x, w, starts}, 3, NULL);
}

rg_val rg_combine(rg_graph *g, rg_val y, const rg_routing *r) {
    return rg_graph_node(g, RG_OP_COMBINE, (rg_val[]){y, r->weights, r->places}, 3, NULL);
}

rg_val rg_scale(rg_graph *g, rg_val x, float scale) {
    const rg_op_params p = {.scale = scale};
    return rg_graph_node(g, RG_OP_SCALE, &x, 1, &p);
}

rg_val rg_dropout(rg_graph *g, rg_val x, rg_val seed, float drop, uint32_t stream) {
    const rg_op_params p = {.drop = drop, .stream = stream};
    return rg_graph_node(g, RG_OP_DROPOUT, (rg_val[]){x, seed}, 2, &p);
}

rg_val rg_cross_entropy(rg_graph *g, rg_val logits, rg_val targets) {
    return rg_graph_node(g, RG_OP_CROSS_ENTROPY, (rg_val[]){logits, targets}, 2, NULL);
}
