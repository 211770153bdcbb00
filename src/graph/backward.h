/* Reverse-mode differentiation of a graph: appends the nodes of the gradients to the graph itself.
 */
#pragma once

#include "graph/graph.h"

/**
 * Append the backward pass.
 * @param out    the value whose gradient is given
 * @param dout   gradient of `out`, same shape (an input or a node's output)
 * @param wanted values whose gradients are wanted (weights, inputs, temps), n of them
 * @param grads  receives their gradients; RG_VAL_NONE where `out` does not depend on them; `dout`
 * itself where nothing but additions lies between Quantized weights get no gradient of their own;
 * what flows through them does. Errors: kept in the graph, as for every builder call
 * (RG_E_UNSUPPORTED for an op without a rule on the way). Source: Linnainmaa 1970; accumulation by
 * ADD nodes in reverse order of use, so sums have a fixed order.
 * @param recompute  the parts between marks are computed again before their gradients, so that only
 * what crosses a mark lives through the forward pass: less memory for about a third more work.
 * Source: Chen et al. 2016, arXiv 1604.06174.
 */
void rg_graph_backward(rg_graph *g, rg_val out, rg_val dout, const rg_val *wanted, size_t n,
                       bool recompute, rg_val *grads);
