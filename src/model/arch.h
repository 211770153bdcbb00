/*
 * model/ is the only place that knows architectures: families as tables over shared blocks. It
 * relies on base/, tensor/, format/ and graph/, and computes nothing itself: it makes graphs.
 *
 * arch.h: what a family is, and the numbers that one model of it has.
 */
#pragma once

#include "base/status.h"
#include "base/view.h"

#define RG_LAYERS_MAX 1024
#define RG_DEEP_MAX   8 // layers of a tower whose values go into layers of words

/** What a weight is for. Roles from FIRST_LAYER on exist once a layer. */
typedef enum rg_role {
    RG_ROLE_EMBED,
    RG_ROLE_OUTPUT_NORM,
    RG_ROLE_OUTPUT,     // absent: tied to EMBED
    RG_ROLE_ROPE_FREQS, // divisors of the rope frequencies
    RG_ROLE_INV_FREQ,   // made on load, in no file
    RG_ROLE_DELTA_UNIT, // likewise: what makes a norm of a key head one of length 1
    RG_ROLE_HEAD_UNIT,  // likewise: normalizes a head and no more
    RG_ROLE_PATCH,      // of a tower: from the pixels of a patch to the hidden size
    RG_ROLE_PATCH_BIAS,
    RG_ROLE_PLACES, // added to patches by where they are
    RG_ROLE_MERGE_NORM,
    RG_ROLE_MERGE_NORM_BIAS,
    RG_ROLE_MERGE_UP,
    RG_ROLE_MERGE_UP_BIAS,
    RG_ROLE_MERGE_DOWN,
    RG_ROLE_MERGE_DOWN_BIAS,

    RG_ROLE_INV_FREQ_COMPRESSED, // made on load: of layers that compress
    RG_ROLE_STREAMS_UNIT,        // likewise: normalizes all residual streams together
    RG_ROLE_HYPER_HEAD_FN,       // how residual streams become one at the end
    RG_ROLE_HYPER_HEAD_BASE,
    RG_ROLE_HYPER_HEAD_SCALE,

    RG_ROLE_FIRST_LAYER,
    RG_ROLE_ATTN_NORM = RG_ROLE_FIRST_LAYER,
    RG_ROLE_ATTN_NORM_BIAS,
    RG_ROLE_ATTN_QKV, // queries, keys and values in one
    RG_ROLE_ATTN_QKV_BIAS,
    RG_ROLE_ATTN_Q,
    RG_ROLE_ATTN_K,
    RG_ROLE_ATTN_V,
    RG_ROLE_ATTN_O,
    RG_ROLE_ATTN_Q_BIAS,
    RG_ROLE_ATTN_K_BIAS,
    RG_ROLE_ATTN_V_BIAS,
    RG_ROLE_ATTN_O_BIAS,
    RG_ROLE_ATTN_Q_NORM,
    RG_ROLE_ATTN_K_NORM,
    RG_ROLE_Q_A, // latent attention: queries through a few values
    RG_ROLE_Q_A_NORM,
    RG_ROLE_Q_B,
    RG_ROLE_KV_A, // keys and values as a few values, and the part that turns
    RG_ROLE_KV_A_NORM,
    RG_ROLE_KV_B,    // from the latent to keys and values of all heads
    RG_ROLE_K_B,     // from the keys of each head to the latent; made on load where KV_B is there
    RG_ROLE_V_B,     // from the latent to the values of each head; likewise
    RG_ROLE_INDEX_Q, // which positions a token looks at
    RG_ROLE_INDEX_K,
    RG_ROLE_INDEX_NORM,
    RG_ROLE_INDEX_NORM_BIAS,
    RG_ROLE_INDEX_WEIGHTS, // of its heads
    RG_ROLE_FFN_NORM,
    RG_ROLE_FFN_NORM_BIAS,
    RG_ROLE_FFN_GATE,
    RG_ROLE_FFN_UP,
    RG_ROLE_FFN_DOWN,
    RG_ROLE_FFN_GATE_BIAS,
    RG_ROLE_FFN_UP_BIAS,
    RG_ROLE_FFN_DOWN_BIAS,
    RG_ROLE_ROUTER,
    RG_ROLE_ROUTER_BIAS, // of the choice alone
    RG_ROLE_EXPERT_GATE, // of all experts of a layer, one matrix each
    RG_ROLE_EXPERT_UP,
    RG_ROLE_EXPERT_DOWN,
    RG_ROLE_SHARED_ROUTER, // how much the expert of all tokens counts
    RG_ROLE_SHARED_GATE,
    RG_ROLE_SHARED_UP,
    RG_ROLE_SHARED_DOWN,
    RG_ROLE_DELTA_QKV,  // of the gated delta rule: queries, keys and values in one
    RG_ROLE_DELTA_Z,    // gate of the result
    RG_ROLE_DELTA_B,    // how much a token writes
    RG_ROLE_DELTA_A,    // how much is forgotten
    RG_ROLE_DELTA_QKVZ, // by key head
    RG_ROLE_DELTA_BA,   // by key head
    RG_ROLE_DELTA_CONV,
    RG_ROLE_DELTA_DECAY,
    RG_ROLE_DELTA_DT,
    RG_ROLE_DELTA_NORM,
    RG_ROLE_DELTA_O,
    RG_ROLE_KDA_Q, // of the delta rule with a decay for each key channel
    RG_ROLE_KDA_K,
    RG_ROLE_KDA_V,
    RG_ROLE_KDA_CONV_K, // that of queries is DELTA_CONV
    RG_ROLE_KDA_CONV_V,
    RG_ROLE_KDA_F_A, // decay, through a few values
    RG_ROLE_KDA_F_B,
    RG_ROLE_KDA_G_A, // gate of the result, likewise
    RG_ROLE_KDA_G_B,
    RG_ROLE_DEEP_NORM, // of the values that go into layers of words, by their number
    RG_ROLE_DEEP_NORM_BIAS,
    RG_ROLE_DEEP_UP,
    RG_ROLE_DEEP_UP_BIAS,
    RG_ROLE_DEEP_DOWN,
    RG_ROLE_DEEP_DOWN_BIAS,
    RG_ROLE_HYPER_ATTN_FN, // how residual streams are mixed around attention
    RG_ROLE_HYPER_ATTN_BASE,
    RG_ROLE_HYPER_ATTN_SCALE,
    RG_ROLE_HYPER_FFN_FN, // and around the feed-forward part
    RG_ROLE_HYPER_FFN_BASE,
    RG_ROLE_HYPER_FFN_SCALE,
    RG_ROLE_ATTN_SINKS,    // of each head, a logit without a value
    RG_ROLE_O_A,           // projection back in groups of heads, to a few values
    RG_ROLE_O_B,           // and from those of all groups
    RG_ROLE_COMPRESS_KV,   // of compressed rows: features
    RG_ROLE_COMPRESS_GATE, // their scores
    RG_ROLE_COMPRESS_APE,  // what is added to these by place
    RG_ROLE_COMPRESS_NORM,
    RG_ROLE_INDEX_COMPRESS_KV, // the same of keys of the index
    RG_ROLE_INDEX_COMPRESS_GATE,
    RG_ROLE_INDEX_COMPRESS_APE,
    RG_ROLE_INDEX_COMPRESS_NORM,
    RG_ROLE_ROUTER_TABLE, // experts by token id
    RG_ROLE_COUNT,
    RG_ROLE_NONE = RG_ROLE_COUNT // no weight
} rg_role;

#define RG_LAYER_ROLES (RG_ROLE_COUNT - RG_ROLE_FIRST_LAYER)

/** Which layers have a weight. */
typedef enum rg_need {
    RG_NEEDED,
    RG_OPTIONAL,
    RG_IN_DENSE,  // needed by layers without experts
    RG_IN_SPARSE, // by layers with experts
    RG_IN_SHARED, // by layers with experts of which one is for all tokens
    RG_IN_ATTENTION,
    RG_IN_RECURRENT, // by layers with a recurrence in place of attention
    RG_IN_DEEP,      // by the first ones, as many as there are values that go into layers of words
    RG_IN_OVERLAPPING, // by layers whose compressed rows overlap
    RG_IN_COMPRESSED,  // by layers that compress without
} rg_need;

/**
 * One weight of a family. %u in a name is the layer; %e the expert, of which there is one tensor
 * each: together they make the first dimension. `shape` lists dimensions slowest first, as products
 * of: vocab embd head kv hdim ff rot2 (half of the turning values) exp (experts) ffx (their width)
 * ffs (that of the shared one), of recurrent layers dqkv dqkvz (all of the joint projections) dval
 * (values) vh (value heads) vdim conv, of latent attention
 * lat latq latkv (with what turns) still vhd kvb (keys and values of a head), of an index ih
 * (heads) idim, of attention whose heads go back in groups og (groups) olat (values) ogw (of a
 * group's heads), used (experts of a token), of a tower pix (values of a patch) place cell (merged
 * patches) sight (what words get); and 1 2 3 4 24 128. A weight in neither `gguf` nor `hf` (NULL)
 * is not in that container.
 */
typedef struct rg_weight_rule {
    rg_role role;
    const char *gguf;
    const char *hf;
    const char *shape;
    rg_need need;
} rg_weight_rule;

/** Where all experts of a layer lie in one tensor, or two matrices of each. */
typedef struct rg_fused_rule {
    rg_role role;
    const char *gguf;
    const char *hf;
    uint32_t half;  // of each expert's rows: the first (1), the second (2), all of them (0)
    bool is_turned; // rows of the file are columns of the matrix
} rg_fused_rule;

typedef enum rg_rope_scaling {
    RG_ROPE_PLAIN,
    RG_ROPE_LINEAR,
    RG_ROPE_LLAMA3,
    RG_ROPE_YARN,
} rg_rope_scaling;

/** Rope of one model. Source of the formulas: model/rope.c. */
typedef struct rg_rope_params {
    rg_rope_scaling scaling;
    bool is_neighbor; // pairs 2i and 2i+1 turn together, else i and i + n_rot/2
    uint32_t n_rot;   // values of a head that turn
    double base;
    double factor;
    double low_freq_factor;
    double high_freq_factor;
    double orig_ctx;
    double beta_fast;
    double beta_slow;
    double attn_factor; // of cos and sin; 0: by the rule of the scaling
    double mscale;
    double mscale_all_dim;
    bool is_untruncated;  // yarn: correction range not rounded to whole dimensions
    uint32_t sections[3]; // frequencies of each axis of a token with several; zeros: it has one
    bool is_interleaved;  // their axes in turn, else in stretches
} rg_rope_params;

/** What a tower has that words have not. */
typedef struct rg_sight_params {
    uint32_t n_channels;
    uint32_t patch;    // pixels of a side
    uint32_t n_frames; // that a patch has
    uint32_t merge;    // patches of the side of a cell, which becomes one token
    uint32_t n_places; // of the table of places, a square; 0: there is none
    uint32_t window;   // pixels of a side, of the layers that slide; 0: none does
    uint32_t n_out;    // hidden size of the words
    uint32_t n_deep;   // values beside the last layer's: the k-th goes into layer k of the words
    uint32_t deep_at[RG_DEEP_MAX]; // layers that they come from
    uint32_t n_pixel;              // values of a patch
    uint32_t n_cell;               // of the patches of a cell
    int32_t pad;                   // token that stands for a cell; negative: not stated
} rg_sight_params;

/** The numbers of one model. */
typedef struct rg_hparams {
    uint32_t n_layer;
    uint32_t n_embd;
    uint32_t n_head;
    uint32_t n_kv_head;
    uint32_t head_dim;
    uint32_t n_ff;
    uint32_t n_vocab;
    uint32_t n_ctx_train;
    uint32_t n_latent;   // latent attention: values that keys and values come from; 0: it is none
    uint32_t n_latent_q; // the same of queries; 0: they come from the hidden values
    uint32_t n_still;    // values of a query or key head that do not turn
    uint32_t n_turning;  // those that do
    uint32_t v_head_dim;
    uint32_t n_index_head; // of the index that chooses positions; 0: there is none
    uint32_t index_dim;
    uint32_t n_index_top; // positions that a token looks at
    uint32_t n_expert;    // of a layer that has any; 0: no layer has
    uint32_t n_expert_used;
    uint32_t n_ff_expert;
    uint32_t n_ff_shared; // of the expert of all tokens; 0: none
    uint32_t n_shared;    // experts of all tokens, which are one of their widths together
    uint32_t n_group;     // of experts
    uint32_t n_group_used;
    uint32_t router_kind;  // as GGUF numbers them: 1 softmax, 2 sigmoid
    float expert_scale;    // of the weights of those used; 0: 1
    uint32_t n_predict;    // layers at the end that predict further tokens, left out
    bool renorms_experts;  // the weights of those used add up to 1
    uint32_t conv_kernel;  // of recurrent layers: rows that their convolution sees
    uint32_t n_delta_key;  // key heads
    uint32_t n_delta_head; // value heads
    uint32_t delta_k_dim;
    uint32_t delta_v_dim;
    uint32_t n_delta_inner; // all value heads together
    uint32_t window;        // of the layers that slide; 0: none does
    uint32_t window_from;   // first layer that slides, where no list says otherwise
    float norm_eps;
    bool is_windowed; // the checkpoint wants its window used
    bool is_tied;
    bool slides[RG_LAYERS_MAX];
    bool is_sparse[RG_LAYERS_MAX];    // has experts; follows from the tensors
    bool is_recurrent[RG_LAYERS_MAX]; // likewise
    bool gates_attention;             // its result, by a gate beside the queries
    bool is_decay_log;                // the file holds the log of a decay, not its negative
    uint32_t still_every;             // of how many layers the last has no rope; 0: all turn
    uint32_t chunk;        // layers that turn see their part of so many positions; 0: everything
    uint32_t temper_every; // of layers that do not: queries grow at each so many positions
    float temper_scale;    // by this times a log; 0: they do not
    bool is_tempered;
    bool norms_turned;            // queries and keys, after rope, where they turn
    bool weighs_inputs;           // of experts, not their results
    bool is_still[RG_LAYERS_MAX]; // no rope
    bool tiles_heads;             // value heads go with key heads in turn

    uint32_t n_stream;   // residual streams; 0: one, and nothing mixes it
    uint32_t n_sinkhorn; // steps of the normalization of what mixes them
    float stream_eps;
    uint32_t n_out_group;      // groups of heads that are projected back together; 0: all at once
    uint32_t n_out_latent;     // values of a group
    uint32_t n_hash_layer;     // layers at the beginning whose experts are listed by token id
    float swiglu_limit;        // of what experts multiply; 0: none
    float swiglu_limit_shared; // of the expert of all tokens
    float compressed_base;     // rope of layers that compress
    uint32_t ratio[RG_LAYERS_MAX]; // positions of a compressed row; 0: the layer has none
    rg_rope_params rope;
    rg_sight_params sight;
    rg_rope_params rope_compressed;
} rg_hparams;

typedef enum rg_key_kind { RG_KEY_U32, RG_KEY_F32, RG_KEY_BOOL } rg_key_kind;

/** One number of a family: where it is stored, how it is spelled, what it may be. */
typedef struct rg_key_rule {
    size_t offset; // in rg_hparams
    rg_key_kind kind;
    const char *gguf; // after "<arch>."; NULL: not in GGUF
    const char *hf;   // in config.json; NULL: not there
    double min;
    double max;
    bool is_required; // else the field keeps what it has
} rg_key_rule;

/** A family: everything that a model of it needs beside its files. */
typedef struct rg_arch {
    const char *name;              // also the GGUF architecture
    const char *const *hf_classes; // names in config.json "architectures", NULL at the end
    bool reorders_gguf;      // rows of q and k, to neighbor pairs, where checkpoints have halves
    bool uses_window;        // a sliding window is on wherever the file gives one
    bool renorms_experts;    // where a GGUF does not say
    bool renorms_experts_hf; // where config.json does not
    bool gates_attention;
    bool tiles_heads_gguf; // value heads are re-ordered in GGUF
    bool is_rope_neighbor; // pairs are neighbors in checkpoints and GGUF
    bool turns_nothing;    // no rope
    bool weighs_inputs;    // of experts, of which each token has one, beside one of all
    bool is_unproven;      // no reference of ours has checked it
    bool norms_from_one;   // checkpoints hold what is added to 1
    bool compresses;       // attention over a window and compressed rows, residual streams
    const rg_key_rule *keys;
    size_t n_keys;
    const rg_weight_rule *weights;
    size_t n_weights;
} rg_arch;

extern const rg_arch rg_arch_llama, rg_arch_qwen2, rg_arch_qwen2_moe, rg_arch_qwen3,
    rg_arch_qwen3_moe, rg_arch_qwen3_next, rg_arch_qwen35, rg_arch_qwen35_moe, rg_arch_deepseek2,
    rg_arch_deepseek32, rg_arch_deepseek4, rg_arch_kimi_linear, rg_arch_llama4;

/** The families, NULL at the end. In family/table.c. */
extern const rg_arch *const rg_archs[];

/** The towers of models that see, NULL at the end. In family/towers.c. */
extern const rg_arch *const rg_towers[];
/** The tower of an HF class, or NULL. */
const rg_arch *rg_tower_find(rg_str class_name);

/** The family of a GGUF architecture or an HF class, or NULL. */
const rg_arch *rg_arch_find_gguf(rg_str name);
const rg_arch *rg_arch_find_hf(rg_str class_name);
/** The supported name (GGUF or HF) nearest to an unknown one by edit distance; never NULL. */
const char *rg_arch_nearest(rg_str name);

// keys that decoders share, in family/decoder_keys.c: those of dense ones come first
#define RG_DENSE_KEYS  14
#define RG_SPARSE_KEYS (RG_DENSE_KEYS + 5)
extern const rg_key_rule rg_decoder_keys[RG_SPARSE_KEYS];
#define RG_FUSED_EXPERTS 6
extern const rg_fused_rule rg_fused_experts[RG_FUSED_EXPERTS];
// the same with recurrent layers, those without experts first
#define RG_HYBRID_KEYS        (RG_DENSE_KEYS + 6)
#define RG_HYBRID_SPARSE_KEYS (RG_SPARSE_KEYS + 6)
extern const rg_key_rule rg_hybrid_keys[RG_HYBRID_SPARSE_KEYS];
