#include "graph/backward.h"

#include "graph/op.h"

// which of the first n_values depend on a wanted one: only along those does a gradient travel
static void mark_needed(const rg_graph *g, const rg_val *wanted, size_t n, bool *needed) {
    for (size_t i = 0; i < n; i++) {
        needed[wanted[i]] = true;
    }
    for (size_t i = 0; i < g->n_nodes; i++) {
        const rg_node *node = &g->nodes[i];
        bool any = false;
        for (size_t k = 0; k < node->n_in; k++) {
            any = any || needed[node->in[k]];
        }
        for (size_t k = 0; k < node->n_out; k++) {
            needed[node->out[k]] = needed[node->out[k]] || any;
        }
    }
}

// gradients of one node's inputs, added to what other uses of the same values have left
static void step_back(rg_graph *g, size_t i, const bool *needed, rg_val *grad) {
    const rg_node node = g->nodes[i]; // a copy: appending nodes may move the array
    const rg_op_info *info = rg_op_get(node.op);
    rg_val dout[RG_NODE_OUT_MAX];
    rg_val din[RG_NODE_IN_MAX] = {RG_VAL_NONE, RG_VAL_NONE, RG_VAL_NONE, RG_VAL_NONE};
    bool wanted[RG_NODE_IN_MAX] = {false};
    bool has_dout = false;
    bool is_needed = false;
    for (size_t k = 0; k < node.n_out; k++) {
        dout[k] = grad[node.out[k]];
        has_dout = has_dout || dout[k] != RG_VAL_NONE;
    }
    for (size_t k = 0; k < node.n_in; k++) {
        wanted[k] = needed[node.in[k]];
        is_needed = is_needed || wanted[k];
    }
    if (!has_dout || !is_needed) {
        return;
    }
    if (info->backward == NULL) {
        rg_fail(&g->error, RG_E_UNSUPPORTED, "op %s has no backward rule", info->name);
        return;
    }
    info->backward(g, &node, dout, wanted, din);
    for (size_t k = 0; k < node.n_in; k++) {
        if (din[k] != RG_VAL_NONE) {
            rg_val *sum = &grad[node.in[k]];
            *sum = *sum == RG_VAL_NONE ? din[k] : rg_add(g, *sum, din[k]);
        }
    }
}

void rg_graph_backward(rg_graph *g, rg_val out, rg_val dout, const rg_val *wanted, size_t n,
                       rg_val *grads) {
    const size_t n_values = g->n_values;
    const size_t n_nodes = g->n_nodes;
    bool *needed = NULL;
    rg_val *grad = NULL;
    for (size_t i = 0; i < n; i++) {
        grads[i] = RG_VAL_NONE;
        if (wanted[i] >= n_values) {
            rg_fail(&g->error, RG_E_INTERNAL, "gradient %zu is of a value that does not exist", i);
        }
    }
    if (g->error.status != RG_OK || out >= n_values || dout >= n_values) {
        return;
    }
    needed = rg_new_array(g->mem, n_values, sizeof *needed);
    grad = rg_new_array(g->mem, n_values, sizeof *grad);
    if (needed == NULL || grad == NULL) {
        rg_fail(&g->error, RG_E_MEMORY, "no memory for the gradients of %zu values", n_values);
        goto done;
    }
    for (size_t i = 0; i < n_values; i++) {
        grad[i] = RG_VAL_NONE;
    }
    mark_needed(g, wanted, n, needed);
    grad[out] = dout;
    for (size_t i = n_nodes; i-- > 0 && g->error.status == RG_OK;) {
        step_back(g, i, needed, grad);
    }
    for (size_t i = 0; i < n && g->error.status == RG_OK; i++) {
        grads[i] = grad[wanted[i]];
        rg_graph_keep(g, grads[i]);
    }

done:
    rg_free(g->mem, needed);
    rg_free(g->mem, grad);
}
