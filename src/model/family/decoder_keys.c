/* What decoders share: the keys of their settings, and other names of their experts. */
#include "graph/graph.h"
#include "model/arch.h"

#include <float.h>
#include <stddef.h>

#define AT(field) offsetof(rg_hparams, field)

// clang-format off
#define DENSE \
    /* field               kind         GGUF, after the family             HF config.json             least  most     required */ \
    {AT(n_layer),          RG_KEY_U32,  "block_count",                     "num_hidden_layers",       1, RG_LAYERS_MAX, true}, \
    {AT(n_embd),           RG_KEY_U32,  "embedding_length",                "hidden_size",             1, 1 << 20,  true}, \
    {AT(n_ff),             RG_KEY_U32,  "feed_forward_length",             "intermediate_size",       0, 1 << 22,  false}, \
    {AT(n_head),           RG_KEY_U32,  "attention.head_count",            "num_attention_heads",     1, 1 << 14,  true}, \
    {AT(n_kv_head),        RG_KEY_U32,  "attention.head_count_kv",         "num_key_value_heads",     1, 1 << 14,  false}, \
    {AT(head_dim),         RG_KEY_U32,  "attention.key_length",            "head_dim",                1, 1 << 12,  false}, \
    {AT(n_vocab),          RG_KEY_U32,  "vocab_size",                      "vocab_size",              1, 1 << 24,  false}, \
    {AT(n_ctx_train),      RG_KEY_U32,  "context_length",                  "max_position_embeddings", 1, 1u << 31, true}, \
    {AT(norm_eps),         RG_KEY_F32,  "attention.layer_norm_rms_epsilon","rms_norm_eps",            1e-12, 1e-1, true}, \
    {AT(window),           RG_KEY_U32,  "attention.sliding_window",        "sliding_window",          0, 1u << 31, false}, \
    {AT(is_windowed),      RG_KEY_BOOL, NULL,                              "use_sliding_window",      0, 1,        false}, \
    {AT(window_from),      RG_KEY_U32,  NULL,                              "max_window_layers",       0, 1u << 31, false}, \
    {AT(is_tied),          RG_KEY_BOOL, NULL,                              "tie_word_embeddings",     0, 1,        false}, \
    {AT(n_predict),        RG_KEY_U32,  "nextn_predict_layers",            NULL,                      0, 16,       false}, \

#define EXPERTS \
    {AT(n_expert),         RG_KEY_U32,  "expert_count",                    "num_experts",             1, RG_EXPERTS_MAX, true}, \
    {AT(n_expert_used),    RG_KEY_U32,  "expert_used_count",               "num_experts_per_tok",     1, RG_EXPERTS_MAX, true}, \
    {AT(n_ff_expert),      RG_KEY_U32,  "expert_feed_forward_length",      "moe_intermediate_size",   1, 1 << 22,  true}, \
    {AT(n_ff_shared),      RG_KEY_U32,  "expert_shared_feed_forward_length", "shared_expert_intermediate_size", 0, 1 << 22, false}, \
    {AT(renorms_experts),  RG_KEY_BOOL, "expert_weights_norm",             "norm_topk_prob",          0, 1,        false}, \

#define RECURRENT \
    {AT(conv_kernel),      RG_KEY_U32,  "ssm.conv_kernel",                 "linear_conv_kernel_dim",  1, RG_CONV_KERNEL_MAX, true}, \
    {AT(n_delta_key),      RG_KEY_U32,  "ssm.group_count",                 "linear_num_key_heads",    1, 1 << 14,  true}, \
    {AT(n_delta_head),     RG_KEY_U32,  "ssm.time_step_rank",              "linear_num_value_heads",  1, 1 << 14,  true}, \
    {AT(delta_k_dim),      RG_KEY_U32,  "ssm.state_size",                  "linear_key_head_dim",     1, RG_DELTA_DIM_MAX, true}, \
    {AT(delta_v_dim),      RG_KEY_U32,  NULL,                              "linear_value_head_dim",   1, RG_DELTA_DIM_MAX, false}, \
    {AT(n_delta_inner),    RG_KEY_U32,  "ssm.inner_size",                  NULL,                      1, 1 << 22,  false}, \

const rg_key_rule rg_decoder_keys[RG_SPARSE_KEYS] = {DENSE EXPERTS};
const rg_key_rule rg_hybrid_keys[RG_HYBRID_SPARSE_KEYS] = {DENSE RECURRENT EXPERTS};

const rg_fused_rule rg_fused_experts[RG_FUSED_EXPERTS] = {
    {RG_ROLE_EXPERT_GATE, "blk.%u.ffn_gate_up_exps.weight", "model.layers.%u.mlp.experts.gate_up_proj", 1, false},
    {RG_ROLE_EXPERT_UP,   "blk.%u.ffn_gate_up_exps.weight", "model.layers.%u.mlp.experts.gate_up_proj", 2, false},
    {RG_ROLE_EXPERT_DOWN, NULL,                             "model.layers.%u.mlp.experts.down_proj",    0, false},
    {RG_ROLE_EXPERT_GATE, NULL, "model.layers.%u.feed_forward.experts.gate_up_proj", 1, true},
    {RG_ROLE_EXPERT_UP,   NULL, "model.layers.%u.feed_forward.experts.gate_up_proj", 2, true},
    {RG_ROLE_EXPERT_DOWN, NULL, "model.layers.%u.feed_forward.experts.down_proj",    0, true},
};
// clang-format on
