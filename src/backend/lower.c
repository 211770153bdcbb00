/* From what a family says to what the cpu does: a rewrite of the graph, never of a family. */
#include "backend/exec_internal.h"

#include "graph/op.h"

typedef struct lowering {
    rg_exec *exec;
    const rg_graph *from;
    rg_val *prepared; // [form][value of exec->g]: activations already prepared, or RG_VAL_NONE
    size_t n_prepared;
} lowering;

// x in the form that the product wants; made once however many products share it
static rg_val prepare(lowering *l, rg_val x, rg_act_form form) {
    rg_graph *g = &l->exec->g;
    if (form == RG_ACT_F32 || x >= l->n_prepared) {
        return x;
    }
    rg_val *known = &l->prepared[(size_t)form * l->n_prepared + x];
    if (*known == RG_VAL_NONE) {
        const rg_op_params p = {.form = form};
        const rg_val made = rg_graph_node(g, RG_OP_ACT_PREP, &x, 1, &p);
        if (made != RG_VAL_NONE) {
            const rg_value *v = &g->values[made];
            g->values[made].bytes = rg_act_bytes(form, v->shape[0], v->shape[1]);
        }
        *known = made;
    }
    return *known;
}

// LINEAR and EXPERTS: x, w, and one more
static void lower_product(lowering *l, const rg_node *node, const rg_val *in) {
    rg_graph *g = &l->exec->g;
    const rg_dtype dtype = g->values[in[1]].dtype;
    const rg_matmul_row *row = rg_exec_matmul(l->exec, dtype);
    if (l->exec->options.is_training && rg_dtype_get(dtype)->to_float != NULL) {
        rg_graph_node(g, node->op, in, node->n_in, NULL);
        return;
    }
    if (row->fn == NULL) {
        rg_fail(&g->error, RG_E_UNSUPPORTED, "a weight matrix of type %s cannot be multiplied",
                rg_dtype_get(dtype)->name);
        return;
    }
    const rg_op_params p = {.form = row->form};
    const rg_val with[] = {prepare(l, in[0], row->form), in[1],
                           node->n_in == 3 ? in[2] : RG_VAL_NONE};
    rg_graph_node(g, node->op, with, 3, &p);
}

// parts of x in the form that their matrices want, each part of all tokens a piece of its own
static void lower_heads(lowering *l, const rg_node *node, const rg_val *in) {
    rg_graph *g = &l->exec->g;
    const size_t n_part = g->values[in[1]].shape[0];
    const rg_matmul_row *row = rg_exec_matmul(l->exec, g->values[in[1]].dtype);
    if (l->exec->options.is_training || row->fn == NULL) {
        rg_graph_node(g, node->op, in, node->n_in, &node->p);
        return;
    }
    const rg_op_params p = {.form = row->form, .n_part = (uint32_t)n_part};
    const rg_val x = rg_graph_node(g, RG_OP_ACT_PREP, in, 1, &p);
    if (x != RG_VAL_NONE) {
        const rg_value *v = &g->values[x];
        g->values[x].bytes = n_part * rg_act_bytes(row->form, v->shape[0], v->shape[1] / n_part);
    }
    rg_graph_node(g, node->op, (rg_val[]){x, in[1]}, 2, &p);
}

static void lower_attention(lowering *l, const rg_node *node, const rg_val *in) {
    rg_graph *g = &l->exec->g;
    if (node->n_in >= 4 && g->values[in[3]].kind == RG_VAL_STATE) {
        const rg_val with[] = {in[0], in[3], node->n_in == 5 ? in[4] : RG_VAL_NONE};
        rg_graph_node(g, RG_OP_KV_STORE, (rg_val[]){in[1], in[2], in[3]}, 3, &node->p);
        rg_graph_node(g, RG_OP_ATTEND, with, node->n_in - 2U, &node->p);
        return;
    }
    rg_graph_node(g, RG_OP_ATTENTION, in, node->n_in, &node->p);
}

enum { PARTS_PER_THREAD = 4 }; // of the positions of few tokens

// in: q, w, state. Where tokens are too few for all threads, each goes through its keys in parts.
static void lower_choose(lowering *l, const rg_node *node, const rg_val *in) {
    rg_graph *g = &l->exec->g;
    const size_t wanted = (size_t)l->exec->options.n_threads * PARTS_PER_THREAD;
    const size_t n_tok = g->values[in[0]].shape[0];
    rg_op_params p = node->p;
    rg_val with[] = {in[0], in[1], in[2], RG_VAL_NONE};
    p.n_part = n_tok == 0 || l->exec->options.n_threads < 2 ? 1 : (uint32_t)(wanted / n_tok);
    if (p.n_part > 1) {
        with[3] = rg_graph_node(g, RG_OP_CANDIDATES, with, 3, &p);
    }
    rg_graph_node(g, RG_OP_CHOOSE, with, p.n_part > 1 ? 4 : 3, &p);
}

// sources (weights, inputs, states) come along when first used, outputs of nodes as they are made
static rg_val bring(lowering *l, rg_val v) {
    rg_val *to = &l->exec->value_of[v];
    if (*to == RG_VAL_NONE && l->from->values[v].kind != RG_VAL_TEMP) {
        const rg_value *value = &l->from->values[v];
        rg_graph *g = &l->exec->g;
        *to = rg_graph_temp(g, value->dtype, 0, 0, 0);
        if (*to != RG_VAL_NONE) {
            g->values[*to] = *value;
        }
    }
    return *to;
}

rg_status rg_exec_lower(rg_exec *exec, const rg_graph *g, rg_error *err) {
    lowering l = {.exec = exec, .from = g};
    rg_status status = RG_OK;

    // every value of the lowered graph comes from one of the caller's or is made for a node, at
    // most three each
    l.n_prepared = g->n_values + 3 * g->n_nodes;
    l.prepared = rg_new_array(exec->mem, l.n_prepared, RG_ACT_FORMS * sizeof *l.prepared);
    if (l.prepared == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory to lower a graph of %zu nodes", g->n_nodes);
        goto done;
    }
    for (size_t i = 0; i < RG_ACT_FORMS * l.n_prepared; i++) {
        l.prepared[i] = RG_VAL_NONE;
    }
    for (size_t i = 0; i < g->n_nodes && exec->g.error.status == RG_OK; i++) {
        const rg_node *node = &g->nodes[i];
        rg_val in[RG_NODE_IN_MAX];
        for (size_t k = 0; k < node->n_in; k++) {
            in[k] = bring(&l, node->in[k]);
        }
        if (exec->g.error.status != RG_OK) {
            break; // without memory for an input there is none to look at
        }
        if (node->op == RG_OP_LINEAR || node->op == RG_OP_EXPERTS) {
            lower_product(&l, node, in);
        } else if (node->op == RG_OP_HEADS) {
            lower_heads(&l, node, in);
        } else if (node->op == RG_OP_ATTENTION) {
            lower_attention(&l, node, in);
        } else if (node->op == RG_OP_INDEX) {
            rg_graph_node(&exec->g, RG_OP_INDEX_STORE, (rg_val[]){in[1], in[3]}, 2, &node->p);
            lower_choose(&l, node, (rg_val[]){in[0], in[2], in[3]});
        } else if (node->op == RG_OP_CHOOSE) {
            lower_choose(&l, node, in);
        } else {
            rg_graph_node(&exec->g, node->op, in, node->n_in, &node->p);
        }
        if (exec->g.error.status == RG_OK) {
            const rg_node *made = &exec->g.nodes[exec->g.n_nodes - 1];
            for (size_t k = 0; k < node->n_out; k++) {
                exec->value_of[node->out[k]] = made->out[k];
                exec->g.values[made->out[k]].is_output = g->values[node->out[k]].is_output;
            }
        }
    }
    status = rg_graph_check(&exec->g, err);

done:
    rg_free(exec->mem, l.prepared);
    return status;
}
