/* Shared by the files of backend/: a lowered graph, its sections, and the table of op kernels. */
#pragma once

#include "backend/exec.h"
#include "graph/plan.h"

#include <string.h>

/** One parallel section: nodes [first, last) that run chunk by chunk without a barrier between
 * them. */
typedef struct rg_section {
    uint32_t first;
    uint32_t last;
} rg_section;

struct rg_exec {
    const rg_mem *mem;
    rg_exec_options options;
    rg_graph g;       // lowered
    rg_val *value_of; // value of the caller's graph -> value of g
    size_t n_value_of;
    rg_plan plan;
    rg_section *sections;
    size_t n_sections;
    const void **page_ptrs; // n_rows_max x 2 x n_pages_max: keys, then values, of the layer at work
};

/** One run of one section, as its kernels see it. */
typedef struct rg_task {
    rg_exec *exec;
    const rg_bindings *b;
    const rg_section *section;
    size_t n_tok;      // row-wise sections: tokens
    size_t chunk_size; // row-wise: tokens of a chunk; products: rows; attention over a state: heads
} rg_task;

/** Compute tokens [from, to) of a row-wise node. */
typedef void rg_rowwise_fn(const rg_task *task, const rg_node *node, size_t from, size_t to);
/** How many chunks a node that is not row-wise is cut into, and one of them. */
typedef size_t rg_chunks_fn(rg_task *task, const rg_node *node);
typedef void rg_chunk_fn(const rg_task *task, const rg_node *node, size_t chunk, void *scratch);

/** Work of the owner before the section begins. */
typedef void rg_prepare_fn(const rg_task *task, const rg_node *node);

/** The cpu's row of an op: either `rowwise`, or `chunks` and `chunk`, and `prepare` where something
 * must be first. */
typedef struct rg_cpu_op {
    rg_rowwise_fn *rowwise;
    rg_chunks_fn *chunks;
    rg_chunk_fn *chunk;
    rg_prepare_fn *prepare;
} rg_cpu_op;

extern const rg_cpu_op rg_cpu_ops[RG_OP_COUNT];

rg_rowwise_fn rg_cpu_embed, rg_cpu_rope_table, rg_cpu_rmsnorm, rg_cpu_rope, rg_cpu_add,
    rg_cpu_swiglu, rg_cpu_act_prep, rg_cpu_kv_store, rg_cpu_rmsnorm_dx, rg_cpu_swiglu_back,
    rg_cpu_scale, rg_cpu_dropout, rg_cpu_cross_entropy, rg_cpu_cross_entropy_dx, rg_cpu_route,
    rg_cpu_route_dx, rg_cpu_gate, rg_cpu_gate_back, rg_cpu_columns, rg_cpu_columns_dx, rg_cpu_join,
    rg_cpu_decay, rg_cpu_part_sum, rg_cpu_scale_rows, rg_cpu_layernorm, rg_cpu_index_store,
    rg_cpu_scale_rows_back, rg_cpu_temperature, rg_cpu_gelu, rg_cpu_gelu_back, rg_cpu_hyper,
    rg_cpu_hyper_in, rg_cpu_hyper_out, rg_cpu_hyper_in_back, rg_cpu_hyper_out_back, rg_cpu_clamp,
    rg_cpu_clamp_dx, rg_cpu_route_listed;
rg_chunks_fn rg_cpu_candidates_chunks, rg_cpu_positions_chunks, rg_cpu_linear_chunks,
    rg_cpu_attend_chunks, rg_cpu_attention_chunks, rg_cpu_one_chunk, rg_cpu_gemm_chunks,
    rg_cpu_select_chunks, rg_cpu_scatter_chunks, rg_cpu_experts_chunks, rg_cpu_experts_dx_chunks,
    rg_cpu_experts_dw_chunks, rg_cpu_combine_chunks, rg_cpu_conv_chunks, rg_cpu_heads_chunks,
    rg_cpu_delta_chunks, rg_cpu_delta_back_chunks, rg_cpu_compress_chunks,
    rg_cpu_compressed_attention_chunks, rg_cpu_compress_mix_chunks, rg_cpu_compressed_back_chunks;
rg_chunk_fn rg_cpu_candidates, rg_cpu_positions, rg_cpu_layernorm_back, rg_cpu_linear,
    rg_cpu_attend, rg_cpu_attention, rg_cpu_select_rows, rg_cpu_scatter, rg_cpu_rmsnorm_dw,
    rg_cpu_gemm, rg_cpu_column_sum, rg_cpu_attention_back, rg_cpu_dispatch, rg_cpu_experts,
    rg_cpu_experts_dx, rg_cpu_experts_dw, rg_cpu_combine, rg_cpu_combine_back, rg_cpu_decay_back,
    rg_cpu_heads, rg_cpu_heads_dw, rg_cpu_conv, rg_cpu_conv_back, rg_cpu_delta, rg_cpu_delta_back,
    rg_cpu_fold, rg_cpu_hyper_back, rg_cpu_compress, rg_cpu_compressed_attention,
    rg_cpu_compress_mix, rg_cpu_compress_mix_back, rg_cpu_compressed_back;

rg_prepare_fn rg_cpu_attend_prepare;

/** Lower the caller's graph into exec->g: activations prepared, state attention split. In lower.c.
 */
rg_status rg_exec_lower(rg_exec *exec, const rg_graph *g, rg_error *err) RG_MUST_CHECK;

/**
 * How the products of n_matrices, `rows` rows each, are cut into chunks for all threads.
 * @param is_prompt  many tokens: chunks are no larger than what shares them in a cache
 * @param n_chunks   receives the chunks of one matrix
 * @return           rows of a chunk
 */
size_t rg_cpu_cut_rows(const rg_task *task, size_t rows, size_t n_matrices, bool is_prompt,
                       size_t *n_chunks);

/** The product row that a weight goes through. */
static inline const rg_matmul_row *rg_exec_matmul(const rg_exec *exec, rg_dtype dtype) {
    const rg_kernels *k = exec->options.kernels;
    return exec->options.is_exact ? &k->matmul_exact[dtype] : &k->matmul[dtype];
}

/** The product of training, for linear layers and inside attention alike. */
static inline rg_gemm_fn *rg_exec_gemm(const rg_exec *exec) {
    const rg_kernels *k = exec->options.kernels;
    return exec->options.is_bf16 ? k->gemm_bf16 : k->gemm;
}

static inline const rg_value *rg_task_value(const rg_task *task, rg_val v) {
    return &task->exec->g.values[v];
}

/** Values of one token and head into a page. */
static inline void rg_task_store(const rg_task *task, uint8_t *to, const float *from, size_t n) {
    if (task->b->kv->layout->dtype == RG_DTYPE_F16) {
        task->exec->options.kernels->f32_to_f16((uint16_t *)(void *)to, from, n);
    } else {
        memcpy(to, from, n * sizeof *from);
    }
}

/** Tokens of one sequence of an attention without a state. */
static inline size_t rg_task_sequence(const rg_task *task, const rg_node *node) {
    return node->p.seq_len == 0 ? rg_task_value(task, node->in[1])->shape[0] : node->p.seq_len;
}

/** Start of a value's bytes in this run. */
static inline void *rg_task_data(const rg_task *task, rg_val v) {
    const rg_value *value = rg_task_value(task, v);
    switch (value->kind) {
    case RG_VAL_TEMP:
        return (char *)task->b->arena + task->exec->plan.offset[v];
    case RG_VAL_WEIGHT:
        return (void *)task->b->weights[value->slot].data;
    case RG_VAL_INPUT:
        return (void *)task->b->inputs[value->slot];
    case RG_VAL_STATE:
        break;
    }
    return NULL;
}
