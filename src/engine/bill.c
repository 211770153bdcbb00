/* What running a model takes, before it is taken. */
#include "engine/engine_internal.h"

enum {
    STATE_ALIGN = 64,        // bytes, of the parts of a recurrent state
    MIN_CTX = 64,            // less than this is no context
    ROW_SLACK_BYTES = 65536, // alignment of what belongs to the rows of logits
    RESERVE_SHARE =
        16, // one part in so many of the free memory stays free when the budget is ours to choose
};

rg_status rg_engine_layout(const rg_model *model, const rg_engine_options *options,
                           rg_kv_layout *layout, rg_error *err) {
    const rg_hparams *h = &model->h;
    const rg_op_params p = rg_model_attention(model, 0); // the same in all layers
    uint32_t n_recurrent = 0;
    for (uint32_t i = 0; i < h->n_layer; i++) {
        n_recurrent += h->is_recurrent[i];
    }
    *layout = (rg_kv_layout){.dtype = options->kv_dtype,
                             .n_layer = h->n_layer - n_recurrent,
                             .n_recurrent = n_recurrent,
                             .page_len = RG_PAGE_LEN,
                             .n_kv_head = p.n_kv_head,
                             .k_dim = p.head_dim,
                             .v_dim = p.v_dim,
                             .has_values = h->n_latent == 0,
                             .index_dim = h->index_dim};
    if (model->arch->compresses) {
        layout->k_dim = layout->v_dim = layout->index_dim = 0; // pages hold what is compressed
        layout->compressed = (rg_compressed_layout){.n_layer = h->n_layer,
                                                    .window = h->window,
                                                    .dim = h->head_dim,
                                                    .index_dim = h->index_dim,
                                                    .ratio = h->ratio};
    }
    if (n_recurrent != 0) {
        const size_t n_v = (size_t)h->n_delta_head * h->delta_v_dim;
        const size_t columns = 2 * (size_t)h->n_delta_key * h->delta_k_dim + n_v;
        layout->conv_bytes =
            rg_round_up((h->conv_kernel - 1) * columns * sizeof(float), STATE_ALIGN);
        layout->recurrent_bytes =
            layout->conv_bytes + rg_round_up(n_v * h->delta_k_dim * sizeof(float), STATE_ALIGN);
    }
    return rg_kv_layout_init(layout, err);
}

// The arena of the largest step: a full chunk, and beside it the rows that go through the head, as
// many as a step may ask for. Smaller steps lay the same values out with less between them.
static rg_status activation_bytes(const rg_model *model, const rg_engine_options *options,
                                  const rg_kernels *kernels, uint32_t picture_levels, size_t *bytes,
                                  rg_error *err) {
    rg_graph g;
    rg_exec *exec = NULL;
    rg_status status = RG_OK;
    const size_t n_tok = options->chunk_tokens;
    const size_t n_out = n_tok < RG_OUT_ROWS_MAX ? n_tok : RG_OUT_ROWS_MAX;
    // per row: its logits, and the hidden state selected, normalized and prepared for the product;
    // of several streams all are selected and normalized before they are one
    const size_t row_bytes =
        ((size_t)model->h.n_vocab + (4 + 3 * (size_t)model->h.n_stream) * (size_t)model->h.n_embd) *
        sizeof(float);
    rg_graph_extras extras = options->extras;
    rg_graph_init(&g, model->mem);
    extras.picture_levels = picture_levels;
    extras.taps = NULL;
    if (options->taps != NULL) {
        extras.taps = rg_new_array(model->mem, model->h.n_layer, RG_TAPS * sizeof *extras.taps);
        if (extras.taps == NULL) {
            status = rg_fail(err, RG_E_MEMORY, "no memory to plan a look into a model");
            goto done;
        }
    }
    rg_model_graph(model, &g, RG_PURPOSE_PREFILL, &extras, n_tok, 1);
    const rg_exec_options how = {.kernels = kernels,
                                 .is_exact = options->is_exact,
                                 .n_threads = options->n_threads,
                                 .n_pages_max = 1,
                                 .n_rows_max = 1};
    RG_TRY(rg_exec_new(model->mem, &g, &how, &exec, err));
    *bytes = rg_exec_arena_bytes(exec) + n_out * row_bytes + ROW_SLACK_BYTES;

done:
    rg_exec_free(exec);
    rg_graph_clear(&g);
    rg_free(model->mem, extras.taps);
    return status;
}

void rg_engine_resolve(const rg_engine_options *from, rg_engine_options *to) {
    *to = *from;
    to->n_threads = to->n_threads == 0 ? rg_cpu_threads() : to->n_threads;
    to->n_slots = to->n_slots == 0 ? 1 : to->n_slots;
    to->chunk_tokens = to->chunk_tokens == 0 ? RG_CHUNK_TOKENS : to->chunk_tokens;
    if (to->is_exact || to->kv_dtype != RG_DTYPE_F16) {
        to->kv_dtype = RG_DTYPE_F32;
    }
}

rg_status rg_engine_bill(const rg_model *model, const rg_engine_options *options, rg_bill *out,
                         rg_error *err) {
    rg_engine_options o;
    rg_engine_resolve(options, &o);
    rg_kernels kernels;
    rg_kernels_select(&kernels, o.cpu);
    rg_kv_layout layout;
    rg_bill bill = {0};
    rg_status status = rg_engine_layout(model, &o, &layout, err);
    if (status == RG_OK) {
        status = activation_bytes(model, &o, &kernels, 0, &bill.activations, err);
    }
    if (status == RG_OK && o.tower != NULL) {
        const uint32_t levels = rg_tower_levels(o.tower);
        size_t seeing = 0;
        status = activation_bytes(model, &o, &kernels, levels, &seeing, err);
        bill.activations = seeing > bill.activations ? seeing : bill.activations;
        bill.pictures = o.tower->weight_bytes +
                        o.chunk_tokens * ((size_t)levels * model->h.n_embd + 4) * sizeof(float);
    }
    if (status != RG_OK) {
        return status;
    }
    bill.weights_owned = model->owned_bytes;
    bill.weights_mapped = model->weight_bytes - model->owned_bytes;
    bill.scratch = rg_exec_scratch_bytes(o.n_threads);
    bill.budget = o.memory_bytes;
    if (bill.budget == 0) {
        // what is owned has been taken already
        const size_t free_bytes = rg_cpu_memory_free() + bill.weights_owned;
        bill.budget = free_bytes - free_bytes / RESERVE_SHARE;
    }

    // what is left after the fixed part goes to the context, in whole pages
    // a session has its recurrent state twice, and the marks that it can go back to
    const size_t recurrent = rg_recurrent_bytes(&layout) * (2 + RG_SESSION_MARKS) * o.n_slots;
    const size_t fixed = bill.weights_owned + bill.weights_mapped + bill.scratch +
                         bill.activations + bill.pictures + recurrent;
    const size_t left = bill.budget > fixed ? bill.budget - fixed : 0;
    const size_t most = left / layout.page_bytes / o.n_slots * RG_PAGE_LEN;
    bill.n_ctx = o.n_ctx != 0 ? o.n_ctx : model->h.n_ctx_train < most ? model->h.n_ctx_train : most;
    if (bill.n_ctx > most || bill.n_ctx < (o.n_ctx != 0 ? 1 : MIN_CTX)) {
        return rg_fail(
            err, RG_E_LIMIT,
            "a context of %zu tokens does not fit: %zu MiB of memory hold the model's %zu MiB "
            "and %zu tokens; ask for a smaller context or give more memory",
            o.n_ctx != 0 ? o.n_ctx : (size_t)MIN_CTX, bill.budget >> 20, fixed >> 20, most);
    }
    if (!rg_mul_size(rg_pages_of(bill.n_ctx) * o.n_slots, layout.page_bytes, &bill.kv)) {
        return rg_fail(err, RG_E_LIMIT, "a context of %zu tokens is not possible", bill.n_ctx);
    }
    bill.total = fixed + bill.kv;
    bill.kv += recurrent;
    *out = bill;
    return RG_OK;
}
