#include "backend/exec.h"

#include "backend/exec_internal.h"

#include "graph/op.h"

#include <string.h>

// ops whose pieces may run beside those of others: nothing but their inputs concerns them
static bool is_product(rg_op op) {
    switch (op) {
    case RG_OP_LINEAR:
    case RG_OP_LINEAR_DX:
    case RG_OP_LINEAR_DW:
    case RG_OP_COLUMN_SUM:
    case RG_OP_RMSNORM_DW:
    case RG_OP_EMBED_DW:
    case RG_OP_HEADS:
    case RG_OP_HEADS_DX:
    case RG_OP_HEADS_DW:
    case RG_OP_EXPERTS:
    case RG_OP_EXPERTS_DX:
    case RG_OP_EXPERTS_DW:
        return true;
    default:
        return false;
    }
}

// is an input of the node made by one of nodes [first, last)?
static bool depends_on(const rg_graph *g, const rg_node *node, uint32_t first, uint32_t last) {
    for (uint32_t i = first; i < last; i++) {
        for (size_t o = 0; o < g->nodes[i].n_out; o++) {
            for (size_t k = 0; k < node->n_in; k++) {
                if (node->in[k] == g->nodes[i].out[o]) {
                    return true;
                }
            }
        }
    }
    return false;
}

// neighbors that one section may hold: row-wise nodes over the same tokens, or products that do not
// wait for each other
static bool can_join(const rg_graph *g, const rg_section *section, const rg_node *node) {
    const rg_node *head = &g->nodes[section->first];
    if (rg_op_get(head->op)->is_rowwise && rg_op_get(node->op)->is_rowwise) {
        return g->values[head->in[0]].shape[0] == g->values[node->in[0]].shape[0];
    }
    return is_product(head->op) && is_product(node->op) &&
           !depends_on(g, node, section->first, section->last);
}

// A sum over all tokens is one chunk and may be a section of its own: it moves on to the next
// products, which run beside it, where nothing waits for it before.
static void delay_sums(rg_graph *g) {
    for (uint32_t i = (uint32_t)g->n_nodes; i-- > 0;) {
        const rg_node node = g->nodes[i];
        uint32_t next = i + 1;
        if (node.op != RG_OP_RMSNORM_DW && node.op != RG_OP_COLUMN_SUM) {
            continue;
        }
        while (next < g->n_nodes && !is_product(g->nodes[next].op) &&
               !depends_on(g, &g->nodes[next], i, i + 1)) {
            next++;
        }
        if (next < g->n_nodes && is_product(g->nodes[next].op)) {
            memmove(&g->nodes[i], &g->nodes[i + 1], (next - i - 1) * sizeof node);
            g->nodes[next - 1] = node;
        }
    }
}

static rg_status cut_sections(rg_exec *exec, uint32_t *section_of, rg_error *err) {
    const rg_graph *g = &exec->g;
    exec->sections = rg_new_array(exec->mem, g->n_nodes + 1, sizeof *exec->sections);
    if (exec->sections == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu sections", g->n_nodes);
    }
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        rg_section *last = exec->n_sections == 0 ? NULL : &exec->sections[exec->n_sections - 1];
        if (last != NULL && can_join(g, last, &g->nodes[i])) {
            last->last = i + 1;
        } else {
            exec->sections[exec->n_sections++] = (rg_section){i, i + 1};
        }
        section_of[i] = (uint32_t)exec->n_sections - 1;
    }
    return RG_OK;
}

rg_status rg_exec_new(const rg_mem *mem, const rg_graph *g, const rg_exec_options *options,
                      rg_exec **out, rg_error *err) {
    uint32_t *section_of = NULL;
    rg_status status = rg_graph_check(g, err);
    rg_exec *exec = status == RG_OK ? rg_new(mem, sizeof *exec) : NULL;
    if (exec == NULL) {
        return status != RG_OK ? status : rg_fail(err, RG_E_MEMORY, "no memory for a plan");
    }
    exec->mem = mem;
    exec->options = *options;
    rg_graph_init(&exec->g, mem);
    exec->n_value_of = g->n_values;
    exec->value_of = rg_new_array(mem, g->n_values + 1, sizeof *exec->value_of);
    size_t n_ptrs = 0;
    if (!rg_mul_size(options->n_pages_max * 2, options->n_rows_max, &n_ptrs) ||
        exec->value_of == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a plan");
        goto done;
    }
    for (size_t i = 0; i < g->n_values; i++) {
        exec->value_of[i] = RG_VAL_NONE;
    }
    RG_TRY(rg_exec_lower(exec, g, err));

    section_of = rg_new_array(mem, exec->g.n_nodes + 1, sizeof *section_of);
    exec->page_ptrs = rg_new_array(mem, n_ptrs + 1, sizeof *exec->page_ptrs);
    if (section_of == NULL || exec->page_ptrs == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a plan of %zu nodes", exec->g.n_nodes);
        goto done;
    }
    delay_sums(&exec->g);
    RG_TRY(cut_sections(exec, section_of, err));
    RG_TRY(rg_plan_make(mem, &exec->g, section_of, &exec->plan, err));
    *out = exec;
    exec = NULL;

done:
    rg_free(mem, section_of);
    rg_exec_free(exec);
    return status;
}

void rg_exec_free(rg_exec *exec) {
    if (exec == NULL) {
        return;
    }
    rg_plan_clear(&exec->plan);
    rg_graph_clear(&exec->g);
    rg_free(exec->mem, exec->value_of);
    rg_free(exec->mem, exec->sections);
    rg_free(exec->mem, exec->page_ptrs);
    rg_free(exec->mem, exec);
}

size_t rg_exec_arena_bytes(const rg_exec *exec) {
    return exec->plan.arena_bytes;
}

size_t rg_exec_scratch_bytes(unsigned n_threads) {
    return RG_SCRATCH_BYTES * n_threads;
}

float *rg_exec_value(const rg_exec *exec, void *arena, rg_val v) {
    return (float *)((char *)arena + exec->plan.offset[exec->value_of[v]]);
}

// ---- checks before a run: everything that a kernel would use as an index ----

static rg_status check_ids(const rg_graph *g, const rg_bindings *b, const rg_node *node,
                           rg_error *err) {
    // which input holds the ids, and how many rows they choose from
    size_t ids = 1;
    size_t n_rows = 0;
    int32_t least = 0;
    switch (node->op) {
    case RG_OP_EMBED:
        ids = 0;
        n_rows = g->values[node->in[1]].shape[0];
        break;
    case RG_OP_ROUTE_LISTED:
        ids = 2;
        n_rows = g->values[node->in[1]].shape[0];
        break;
    case RG_OP_SELECT_ROWS:
        n_rows = g->values[node->in[0]].shape[0];
        break;
    case RG_OP_EMBED_DW:
    case RG_OP_SELECT_ROWS_DX:
        n_rows = node->p.n_rows;
        break;
    case RG_OP_CROSS_ENTROPY:
        n_rows = g->values[node->in[0]].shape[1];
        least = INT32_MIN; // a negative target is not counted
        break;
    default:
        return RG_OK;
    }
    const rg_value *v = &g->values[node->in[ids]];
    if (v->kind != RG_VAL_INPUT) {
        return RG_OK; // made by an op, in bounds
    }
    const int32_t *list = b->inputs[v->slot];
    for (size_t i = 0; i < v->shape[0]; i++) {
        if (list[i] < least || (list[i] >= 0 && (size_t)list[i] >= n_rows)) {
            return rg_fail(err, RG_E_ARG, "%s %zu is %d, valid are 0 to %zu",
                           node->op == RG_OP_EMBED || node->op == RG_OP_ROUTE_LISTED ? "token id"
                                                                                     : "row",
                           i, list[i], n_rows - 1);
        }
    }
    return RG_OK;
}

static rg_status check_batch(const rg_exec *exec, const rg_bindings *b, size_t n_tok,
                             rg_error *err) {
    if (b->kv == NULL || b->kv->n_rows > exec->options.n_rows_max) {
        return rg_fail(err, RG_E_ARG, "a batch of %zu sessions, at most %zu fit",
                       b->kv == NULL ? 0 : b->kv->n_rows, exec->options.n_rows_max);
    }
    size_t next = 0;
    for (size_t i = 0; i < b->kv->n_rows; i++) {
        const rg_kv_row *row = &b->kv->rows[i];
        const size_t pages =
            (row->pos + row->n_tok + b->kv->layout->page_len - 1) / b->kv->layout->page_len;
        if (row->first != next || row->n_tok == 0 || pages > exec->options.n_pages_max) {
            return rg_fail(err, RG_E_ARG, "session %zu of the batch does not fit the plan", i);
        }
        next += row->n_tok;
    }
    if (next != n_tok) {
        return rg_fail(err, RG_E_ARG, "the batch has %zu tokens, the plan %zu", next, n_tok);
    }
    return RG_OK;
}

static rg_status check_run(const rg_exec *exec, const rg_bindings *b, rg_error *err) {
    bool is_checked = false;
    for (size_t i = 0; i < exec->g.n_nodes; i++) {
        const rg_node *node = &exec->g.nodes[i];
        rg_status status = check_ids(&exec->g, b, node, err);
        const bool has_state =
            node->op == RG_OP_KV_STORE ||
            (node->n_in > 0 && exec->g.values[node->in[node->n_in - 1]].kind == RG_VAL_STATE &&
             node->op != RG_OP_ATTEND);
        if (status == RG_OK && has_state && !is_checked) {
            status = check_batch(exec, b, exec->g.values[node->in[0]].shape[0], err);
            is_checked = true;
        }
        if (status != RG_OK) {
            return status;
        }
    }
    return RG_OK;
}

// ---- sections ----

static void *thread_scratch(const rg_task *task, unsigned thread) {
    return (char *)task->b->scratch + RG_SCRATCH_BYTES * thread;
}

static void run_rowwise(void *arg, size_t chunk, unsigned thread) {
    (void)thread;
    const rg_task *task = arg;
    const size_t from = chunk * task->chunk_size;
    const size_t end = from + task->chunk_size;
    const size_t to = end < task->n_tok ? end : task->n_tok;
    for (uint32_t i = task->section->first; i < task->section->last; i++) {
        const rg_node *node = &task->exec->g.nodes[i];
        rg_cpu_ops[node->op].rowwise(task, node, from, to);
    }
}

// the chunks of a section's nodes follow one another
static void run_chunk(void *arg, size_t chunk, unsigned thread) {
    const rg_task *task = arg;
    for (uint32_t i = task->section->first; i < task->section->last; i++) {
        const rg_node *node = &task->exec->g.nodes[i];
        rg_task local = *task;
        const size_t n = rg_cpu_ops[node->op].chunks(&local, node);
        if (chunk < n) {
            rg_cpu_ops[node->op].chunk(&local, node, chunk, thread_scratch(task, thread));
            return;
        }
        chunk -= n;
    }
}

static void run_section(rg_task *task) {
    const rg_graph *g = &task->exec->g;
    const rg_node *head = &g->nodes[task->section->first];
    const unsigned n_threads = rg_pool_threads(task->b->pool);
    if (rg_op_get(head->op)->is_rowwise) {
        // four chunks a thread even out what other programs take from one of them
        task->n_tok = g->values[head->in[0]].shape[0];
        task->chunk_size = (task->n_tok + 4 * n_threads - 1) / (4 * n_threads);
        rg_pool_run(task->b->pool, (task->n_tok + task->chunk_size - 1) / task->chunk_size,
                    run_rowwise, task);
        return;
    }
    size_t n_chunks = 0;
    for (uint32_t i = task->section->first; i < task->section->last; i++) {
        const rg_cpu_op *op = &rg_cpu_ops[g->nodes[i].op];
        if (op->prepare != NULL) {
            op->prepare(task, &g->nodes[i]);
        }
        n_chunks += op->chunks(task, &g->nodes[i]);
    }
    rg_pool_run(task->b->pool, n_chunks, run_chunk, task);
}

rg_status rg_exec_run(rg_exec *exec, const rg_bindings *b, rg_error *err) {
    const rg_status status = check_run(exec, b, err);
    if (status != RG_OK) {
        return status;
    }
    for (size_t i = 0; i < exec->n_sections; i++) {
        if (b->cancel != NULL && atomic_load_explicit(b->cancel, memory_order_relaxed)) {
            return rg_fail(err, RG_E_CANCELLED, "stopped on request");
        }
        rg_task task = {.exec = exec, .b = b, .section = &exec->sections[i]};
        run_section(&task);
    }
    return RG_OK;
}

// clang-format off
const rg_cpu_op rg_cpu_ops[RG_OP_COUNT] = {
    [RG_OP_EMBED]          = {.rowwise = rg_cpu_embed},
    [RG_OP_ROPE_TABLE]     = {.rowwise = rg_cpu_rope_table},
    [RG_OP_RMSNORM]        = {.rowwise = rg_cpu_rmsnorm},
    [RG_OP_LINEAR]         = {.chunks = rg_cpu_linear_chunks, .chunk = rg_cpu_linear},
    [RG_OP_ROPE]           = {.rowwise = rg_cpu_rope},
    [RG_OP_ATTENTION]      = {.chunks = rg_cpu_attention_chunks, .chunk = rg_cpu_attention},
    [RG_OP_ADD]            = {.rowwise = rg_cpu_add},
    [RG_OP_SWIGLU]         = {.rowwise = rg_cpu_swiglu},
    [RG_OP_GELU]           = {.rowwise = rg_cpu_gelu},
    [RG_OP_GELU_BACK]      = {.rowwise = rg_cpu_gelu_back},
    [RG_OP_FOLD]           = {.chunks = rg_cpu_one_chunk, .chunk = rg_cpu_fold},
    [RG_OP_GATE]           = {.rowwise = rg_cpu_gate},
    [RG_OP_GATE_BACK]      = {.rowwise = rg_cpu_gate_back},
    [RG_OP_COLUMNS]        = {.rowwise = rg_cpu_columns},
    [RG_OP_COLUMNS_DX]     = {.rowwise = rg_cpu_columns_dx},
    [RG_OP_JOIN]           = {.rowwise = rg_cpu_join},
    [RG_OP_LAYERNORM]      = {.rowwise = rg_cpu_layernorm},
    [RG_OP_LAYERNORM_BACK] = {.chunks = rg_cpu_one_chunk, .chunk = rg_cpu_layernorm_back},
    [RG_OP_INDEX_STORE]    = {.rowwise = rg_cpu_index_store},
    [RG_OP_CANDIDATES]     = {.chunks = rg_cpu_candidates_chunks, .chunk = rg_cpu_candidates},
    [RG_OP_CHOOSE]         = {.chunks = rg_cpu_positions_chunks, .chunk = rg_cpu_positions},
    [RG_OP_SCALE_ROWS]     = {.rowwise = rg_cpu_scale_rows},
    [RG_OP_SCALE_ROWS_BACK] = {.rowwise = rg_cpu_scale_rows_back},
    [RG_OP_TEMPERATURE]    = {.rowwise = rg_cpu_temperature},
    [RG_OP_PART_SUM]       = {.rowwise = rg_cpu_part_sum},
    [RG_OP_HEADS]          = {.chunks = rg_cpu_heads_chunks, .chunk = rg_cpu_heads},
    [RG_OP_HEADS_DX]       = {.chunks = rg_cpu_heads_chunks, .chunk = rg_cpu_heads},
    [RG_OP_HEADS_DW]       = {.chunks = rg_cpu_heads_chunks, .chunk = rg_cpu_heads_dw},
    [RG_OP_CONV]           = {.chunks = rg_cpu_conv_chunks, .chunk = rg_cpu_conv},
    [RG_OP_CONV_BACK]      = {.chunks = rg_cpu_conv_chunks, .chunk = rg_cpu_conv_back},
    [RG_OP_DECAY]          = {.rowwise = rg_cpu_decay},
    [RG_OP_DECAY_BACK]     = {.chunks = rg_cpu_one_chunk, .chunk = rg_cpu_decay_back},
    [RG_OP_DELTA]          = {.chunks = rg_cpu_delta_chunks, .chunk = rg_cpu_delta},
    [RG_OP_DELTA_BACK]     = {.chunks = rg_cpu_delta_back_chunks, .chunk = rg_cpu_delta_back},
    [RG_OP_SELECT_ROWS]    = {.chunks = rg_cpu_select_chunks, .chunk = rg_cpu_select_rows},
    [RG_OP_SCALE]          = {.rowwise = rg_cpu_scale},
    [RG_OP_DROPOUT]        = {.rowwise = rg_cpu_dropout},
    [RG_OP_CROSS_ENTROPY]  = {.rowwise = rg_cpu_cross_entropy},
    [RG_OP_HYPER]          = {.rowwise = rg_cpu_hyper},
    [RG_OP_HYPER_IN]       = {.rowwise = rg_cpu_hyper_in},
    [RG_OP_HYPER_OUT]      = {.rowwise = rg_cpu_hyper_out},
    [RG_OP_HYPER_BACK]     = {.chunks = rg_cpu_one_chunk, .chunk = rg_cpu_hyper_back},
    [RG_OP_HYPER_IN_BACK]  = {.rowwise = rg_cpu_hyper_in_back},
    [RG_OP_HYPER_OUT_BACK] = {.rowwise = rg_cpu_hyper_out_back},
    [RG_OP_CLAMP]          = {.rowwise = rg_cpu_clamp},
    [RG_OP_CLAMP_DX]       = {.rowwise = rg_cpu_clamp_dx},
    [RG_OP_COMPRESS]       = {.chunks = rg_cpu_compress_chunks, .chunk = rg_cpu_compress},
    [RG_OP_COMPRESSED_ATTENTION] = {.chunks = rg_cpu_compressed_attention_chunks,
                                    .chunk = rg_cpu_compressed_attention},
    [RG_OP_COMPRESS_MIX]   = {.chunks = rg_cpu_compress_mix_chunks, .chunk = rg_cpu_compress_mix},
    [RG_OP_COMPRESS_MIX_BACK] = {.chunks = rg_cpu_compress_mix_chunks,
                                 .chunk = rg_cpu_compress_mix_back},
    [RG_OP_COMPRESSED_ATTENTION_BACK] = {.chunks = rg_cpu_compressed_back_chunks,
                                         .chunk = rg_cpu_compressed_back},
    [RG_OP_ROUTE_LISTED]   = {.rowwise = rg_cpu_route_listed},
    [RG_OP_ROUTE]          = {.rowwise = rg_cpu_route},
    [RG_OP_DISPATCH]       = {.chunks = rg_cpu_one_chunk, .chunk = rg_cpu_dispatch},
    [RG_OP_EXPERTS]        = {.chunks = rg_cpu_experts_chunks, .chunk = rg_cpu_experts},
    [RG_OP_COMBINE]        = {.chunks = rg_cpu_combine_chunks, .chunk = rg_cpu_combine},
    [RG_OP_EMBED_DW]       = {.chunks = rg_cpu_scatter_chunks, .chunk = rg_cpu_scatter},
    [RG_OP_RMSNORM_DX]     = {.rowwise = rg_cpu_rmsnorm_dx},
    [RG_OP_RMSNORM_DW]     = {.chunks = rg_cpu_one_chunk, .chunk = rg_cpu_rmsnorm_dw},
    [RG_OP_LINEAR_DX]      = {.chunks = rg_cpu_gemm_chunks, .chunk = rg_cpu_gemm},
    [RG_OP_LINEAR_DW]      = {.chunks = rg_cpu_gemm_chunks, .chunk = rg_cpu_gemm},
    [RG_OP_COLUMN_SUM]     = {.chunks = rg_cpu_one_chunk, .chunk = rg_cpu_column_sum},
    [RG_OP_SWIGLU_BACK]    = {.rowwise = rg_cpu_swiglu_back},
    [RG_OP_ATTENTION_BACK] = {.chunks = rg_cpu_attention_chunks, .chunk = rg_cpu_attention_back},
    [RG_OP_SELECT_ROWS_DX] = {.chunks = rg_cpu_scatter_chunks, .chunk = rg_cpu_scatter},
    [RG_OP_CROSS_ENTROPY_DX] = {.rowwise = rg_cpu_cross_entropy_dx},
    [RG_OP_ROUTE_DX]       = {.rowwise = rg_cpu_route_dx},
    [RG_OP_EXPERTS_DX]     = {.chunks = rg_cpu_experts_dx_chunks, .chunk = rg_cpu_experts_dx},
    [RG_OP_EXPERTS_DW]     = {.chunks = rg_cpu_experts_dw_chunks, .chunk = rg_cpu_experts_dw},
    [RG_OP_COMBINE_BACK]   = {.chunks = rg_cpu_combine_chunks, .chunk = rg_cpu_combine_back},
    [RG_OP_ACT_PREP]       = {.rowwise = rg_cpu_act_prep},
    [RG_OP_KV_STORE]       = {.rowwise = rg_cpu_kv_store},
    [RG_OP_ATTEND]         = {.chunks = rg_cpu_attend_chunks, .chunk = rg_cpu_attend,
                              .prepare = rg_cpu_attend_prepare},
};
// clang-format on
