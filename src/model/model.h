/* One model: its family, its numbers, its weights where they lie, and the graphs made of them. */
#pragma once

#include "base/mem.h"
#include "graph/graph.h"
#include "model/arch.h"
#include "model/source.h"

/** Where in a checkpoint a language model is: models that see as well have it in a part. */
typedef enum rg_part {
    RG_PART_ALL,    // "model.", it is the whole
    RG_PART_INSIDE, // "model.language_model.", its head outside
    RG_PART_AROUND, // "language_model.model.", its head inside
    RG_PART_BARE,   // without "model."
} rg_part;

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
    rg_part part; // names in its checkpoint say where
    bool has_fused_experts;
    rg_buf warnings; // one line each: tensors without use, odd settings
} rg_model;

/** How a graph will be used: builders may choose another form of the same maths. */
typedef enum rg_purpose { RG_PURPOSE_PREFILL, RG_PURPOSE_DECODE, RG_PURPOSE_TRAIN } rg_purpose;

/** Inputs of a model's graph, by slot. */
enum {
    RG_INPUT_IDS,
    RG_INPUT_POSITIONS,
    RG_INPUT_OUT_ROWS,
    RG_INPUT_SEED, // of dropout, i32 [2], only where something is dropped
    // only where there are pictures:
    RG_INPUT_PICTURES, // f32 [n_tok, levels * n_embd]: zero in rows of words
    RG_INPUT_WORDS,    // f32 [n_tok, 1]: 1 in rows of words, 0 in those of pictures
    RG_INPUT_AXES,     // i32 [n_tok, 3]: positions by which a token turns
    RG_MODEL_INPUTS
};

/**
 * A low-rank addition to one matrix W [out, in] of a model: y = W x + scaling * B (A x).
 * Source: Hu et al. 2021, arXiv 2106.09685.
 */
typedef struct rg_lora {
    uint32_t slot; // of W
    rg_tensor a;   // [r, in] f32, f16 or bf16
    rg_tensor b;   // [out, r]
    float scaling;
} rg_lora;

/** Values of a layer that can be looked at, of each token. */
typedef enum rg_tap {
    RG_TAP_Q,        // [n_head * head_dim] as it is compared with the keys
    RG_TAP_K,        // [n_kv_head * head_dim] as it is stored
    RG_TAP_ATTN,     // [n_embd] what attention adds to the residual
    RG_TAP_FFN,      // [n_embd] what the feed-forward part adds
    RG_TAP_RESIDUAL, // [n_embd] after the layer, steering included
    // what weight matrices are multiplied with
    RG_TAP_ATTN_IN,  // [n_embd] of q, k and v: normalized
    RG_TAP_ATTN_MIX, // [n_head * head_dim] of the projection back: what the heads gathered
    RG_TAP_FFN_IN,   // [n_embd] of gate and up: normalized
    RG_TAP_FFN_MIX,  // [n_ff] of down: gated
    RG_TAPS
} rg_tap;

/** A tap as a member of a set; the sets in use. */
#define RG_TAP_BIT(tap) (1u << (tap))
#define RG_TAPS_SHOWN   (RG_TAP_BIT(RG_TAP_ATTN_IN) - 1)
#define RG_TAPS_OF_WEIGHTS                                                                         \
    (RG_TAP_BIT(RG_TAP_ATTN_IN) | RG_TAP_BIT(RG_TAP_ATTN_MIX) | RG_TAP_BIT(RG_TAP_FFN_IN) |        \
     RG_TAP_BIT(RG_TAP_FFN_MIX))

/**
 * What a graph may have beside the model itself; zeros: nothing. Borrowed while graphs are built.
 * Additions take weight slots after the model's own: A of loras[i] is n_weights + 2 i, B the next;
 * then the vectors of the steered layers, in order of layer.
 */
typedef struct rg_graph_extras {
    size_t seq_len; // TRAIN: tokens of one sequence, all of equal length; 0: the graph is one
    const rg_lora *loras;
    size_t n_loras;
    float lora_drop;         // share of a low-rank input that is dropped, for training
    const rg_tensor *steers; // [n_layer] f32 [n_embd]: added to the residual after the layer; data
                             // NULL: nothing is. NULL: no layer is steered
    rg_val *taps;            // receives [n_layer][RG_TAPS] values, which are kept; NULL: none are
    unsigned tap_set;        // those that are; the others are RG_VAL_NONE. 0: RG_TAPS_SHOWN
    uint32_t picture_levels; // there are tokens of pictures, of so many hidden values each: one for
                             // the embedding, the others for the first layers; 0: there are none
} rg_graph_extras;

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

/** The role of a slot. */
static inline rg_role rg_model_role(uint32_t slot) {
    return (rg_role)(slot < RG_ROLE_FIRST_LAYER
                         ? slot
                         : RG_ROLE_FIRST_LAYER + (slot - RG_ROLE_FIRST_LAYER) % RG_LAYER_ROLES);
}

/** The shape that a rule states, "kv*hdim embd", in numbers, slowest first; how many dimensions. */
uint32_t rg_weight_shape(const rg_hparams *h, const char *text, size_t shape[RG_DIMS_MAX]);

#define RG_WEIGHT_NAME_MAX 256 // bytes of a weight's name, the end included

/** A weight's name from its rule's pattern: %u is the layer, %e the expert. */
void rg_weight_name(const char *pattern, uint32_t layer, uint32_t expert,
                    char out[RG_WEIGHT_NAME_MAX]);
/** The name that a weight of a whole model has in a part. False: the same, or it would be too long.
 */
bool rg_weight_name_of_part(rg_part part, char name[RG_WEIGHT_NAME_MAX]);
/** Is it a norm whose checkpoint holds what is added to 1? */
bool rg_model_is_from_one(const rg_model *model, uint32_t slot);
/** Is it the name of a tensor of the part that sees? */
bool rg_weight_is_of_tower(rg_str name);
/** Has the pattern one name for each expert? */
bool rg_weight_is_split(const char *pattern);

/** How many tensors of a Hugging Face checkpoint a weight is: one, or one for each expert; 0: none
 * (frequencies). */
uint32_t rg_model_weight_parts(const rg_model *model, uint32_t slot);
/** The Hugging Face name of part `part` of a weight; false: it has none. */
bool rg_model_weight_name(const rg_model *model, uint32_t slot, uint32_t part,
                          char out[RG_WEIGHT_NAME_MAX]);

/**
 * The table of weights that a run needs: the model's own, then those of the extras.
 * @param out  owned by the caller: rg_free with model->mem
 */
rg_status rg_model_table(const rg_model *model, const rg_graph_extras *extras, rg_tensor **out,
                         rg_error *err) RG_MUST_CHECK;

/**
 * Build the graph of n_tok tokens of which n_out give logits.
 * Inputs: ids i32 [n_tok], positions i32 [n_tok], out rows i32 [n_out] (token numbers).
 * @param extras  NULL: none
 * Marks: one before each layer and one after the last, for a backward pass that computes again.
 * Errors: kept in the graph.
 */
rg_outputs rg_model_graph(const rg_model *model, rg_graph *g, rg_purpose purpose,
                          const rg_graph_extras *extras, size_t n_tok, size_t n_out);

/** Number of a layer among those whose state is of its kind: attention, or a recurrence. */
uint32_t rg_model_state(const rg_model *model, uint32_t layer);

/** Attention of a layer in numbers: heads, sizes, scale of q.k, window (0: all tokens before). */
rg_op_params rg_model_attention(const rg_model *model, uint32_t layer);

/** The graph of the last norm and the head alone, on residuals [n_rows, n_embd] f32 (input 0). */
rg_outputs rg_model_head_graph(const rg_model *model, rg_graph *g, size_t n_rows);
