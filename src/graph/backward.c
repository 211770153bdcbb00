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

/** A backward pass under way. All lists go by the values of the forward pass. */
typedef struct walk {
    rg_graph *g;
    bool *needed;  // depends on a wanted value
    rg_val *grad;  // gradient so far, or RG_VAL_NONE
    rg_val *again; // the value computed again, or RG_VAL_NONE
} walk;

// gradients of one node's inputs, added to what other uses of the same values have left
static void step_back(const walk *w, size_t i) {
    rg_graph *g = w->g;
    const bool *needed = w->needed;
    rg_val *grad = w->grad;
    const rg_node node = g->nodes[i]; // a copy: appending nodes may move the array
    const rg_op_info *info = rg_op_get(node.op);
    rg_val dout[RG_NODE_OUT_MAX];
    rg_val din[RG_NODE_IN_MAX];
    bool wanted[RG_NODE_IN_MAX] = {false};
    bool has_dout = false;
    bool is_needed = false;
    for (size_t k = 0; k < RG_NODE_IN_MAX; k++) {
        din[k] = RG_VAL_NONE;
    }
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
    rg_node from = node;
    for (size_t k = 0; k < node.n_in; k++) {
        from.in[k] = w->again[node.in[k]] == RG_VAL_NONE ? node.in[k] : w->again[node.in[k]];
    }
    info->backward(g, &from, dout, wanted, din);
    for (size_t k = 0; k < node.n_in; k++) {
        if (din[k] != RG_VAL_NONE) {
            rg_val *sum = &grad[node.in[k]];
            *sum = *sum == RG_VAL_NONE ? din[k] : rg_add(g, *sum, din[k]);
        }
    }
}

// append copies of nodes [first, last); what they read from outside the part is read where it is
static void compute_again(const walk *w, size_t first, size_t last) {
    rg_graph *g = w->g;
    for (size_t i = first; i < last && g->error.status == RG_OK; i++) {
        const rg_node node = g->nodes[i];
        rg_val in[RG_NODE_IN_MAX];
        for (size_t k = 0; k < node.n_in; k++) {
            in[k] = w->again[node.in[k]] == RG_VAL_NONE ? node.in[k] : w->again[node.in[k]];
        }
        rg_graph_node(g, node.op, in, node.n_in, &node.p);
        const rg_node *made = &g->nodes[g->n_nodes - 1];
        for (size_t k = 0; k < node.n_out && g->error.status == RG_OK; k++) {
            w->again[node.out[k]] = made->out[k];
        }
    }
}

// all nodes from the last to the first; the part before the last mark was computed just now and
// needs no second time
static void walk_back(const walk *w, size_t n_nodes, bool recompute) {
    size_t mark = recompute && w->g->n_marks > 1 ? w->g->n_marks - 2 : 0;
    for (size_t i = n_nodes; i-- > 0 && w->g->error.status == RG_OK;) {
        if (mark > 0 && i + 1 == w->g->marks[mark]) {
            compute_again(w, w->g->marks[mark - 1], w->g->marks[mark]);
            mark--;
        }
        step_back(w, i);
    }
}

void rg_graph_backward(rg_graph *g, rg_val out, rg_val dout, const rg_val *wanted, size_t n,
                       bool recompute, rg_val *grads) {
    const size_t n_values = g->n_values;
    const size_t n_nodes = g->n_nodes;
    walk w = {.g = g};
    for (size_t i = 0; i < n; i++) {
        grads[i] = RG_VAL_NONE;
        if (wanted[i] >= n_values) {
            rg_fail(&g->error, RG_E_INTERNAL, "gradient %zu is of a value that does not exist", i);
        }
    }
    if (g->error.status != RG_OK || out >= n_values || dout >= n_values) {
        return;
    }
    w.needed = rg_new_array(g->mem, n_values, sizeof *w.needed);
    w.grad = rg_new_array(g->mem, n_values, sizeof *w.grad);
    w.again = rg_new_array(g->mem, n_values, sizeof *w.again);
    if (w.needed == NULL || w.grad == NULL || w.again == NULL) {
        rg_fail(&g->error, RG_E_MEMORY, "no memory for the gradients of %zu values", n_values);
        goto done;
    }
    for (size_t i = 0; i < n_values; i++) {
        w.grad[i] = w.again[i] = RG_VAL_NONE;
    }
    mark_needed(g, wanted, n, w.needed);
    w.grad[out] = dout;
    walk_back(&w, n_nodes, recompute);
    for (size_t i = 0; i < n && g->error.status == RG_OK; i++) {
        grads[i] = w.grad[wanted[i]];
        rg_graph_keep(g, grads[i]);
    }

done:
    rg_free(g->mem, w.needed);
    rg_free(g->mem, w.grad);
    rg_free(g->mem, w.again);
}
