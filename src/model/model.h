/* One model: its family, its numbers, its weights where they lie, and the graphs made of them. */
#pragma once

#include "base/mem.h"
#include "graph/graph.h"
#include "model/arch.h"
#include "model/source.h"

/** Fields may be read. Weights and numbers are read-only after loading: share freely between
 * threads. */
typedef struct rg_model {
    const rg_mem *mem;
    const rg_arch *arch;
    rg_hparams h;
    rg_tensor *weights; // by slot; data NULL: absent
    size_t n_weights;
    size_t weight_bytes; // of all weights, mapped ones included
    size_t owned_bytes;  // of those that were made on load
    void **owned;        // blocks of the weights made on load
    size_t n_owned;
    rg_buf warnings; // one line each: tensors without use, odd settings
} rg_model;

/** How a graph will be used: builders may choose another form of the same maths. */
typedef enum rg_purpose { RG_PURPOSE_PREFILL, RG_PURPOSE_DECODE, RG_PURPOSE_TRAIN } rg_purpose;

/** Inputs of a model's graph, by slot. */
enum { RG_INPUT_IDS, RG_INPUT_POSITIONS, RG_INPUT_OUT_ROWS, RG_MODEL_INPUTS };

/** What a graph gives. */
typedef struct rg_outputs {
    rg_val logits; // [n_out, n_vocab] f32
    rg_val hidden; // [n_out, n_embd] f32: after the last norm
} rg_outputs;

/**
 * Load: find the family, read its numbers, account for every tensor, convert the few that must be
 * f32.
 * @param source  open container, borrowed for the life of the model (weights point into it)
 * Errors: RG_E_UNSUPPORTED (family refused by name, with the nearest supported one), RG_E_FORMAT
 * naming key or tensor, RG_E_MEMORY.
 */
rg_status rg_model_load(const rg_mem *mem, const rg_source *source, rg_model **out,
                        rg_error *err) RG_MUST_CHECK;
void rg_model_free(rg_model *model);

/** Slot of a weight; `layer` is ignored for roles that exist once. */
static inline uint32_t rg_model_slot(rg_role role, uint32_t layer) {
    return role < RG_ROLE_FIRST_LAYER
               ? (uint32_t)role
               : RG_ROLE_FIRST_LAYER + layer * RG_LAYER_ROLES + (role - RG_ROLE_FIRST_LAYER);
}

/**
 * Build the graph of n_tok tokens of which n_out give logits.
 * Inputs: ids i32 [n_tok], positions i32 [n_tok], out rows i32 [n_out] (token numbers).
 * Errors: kept in the graph.
 */
rg_outputs rg_model_graph(const rg_model *model, rg_graph *g, rg_purpose purpose, size_t n_tok,
                          size_t n_out);
