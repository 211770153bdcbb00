/* DeepSeek V3.2 and, without its index of positions, V2, V2-Lite, V3, R1, V3.1, Moonlight, Kimi K2 and K2.5 (text): latent attention, experts
 * in groups. */
#include "graph/graph.h"
#include "model/family/weights_decoder.h"

#include <stddef.h>

static const char *const hf_classes[] = {"DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM",
                                         "KimiK25ForConditionalGeneration", NULL};

static const char *const index_classes[] = {"DeepseekV32ForCausalLM", NULL};

#define AT(field) offsetof(rg_hparams, field)

// clang-format off
#define KEYS \
    {AT(n_layer),          RG_KEY_U32,  "block_count",                     "num_hidden_layers",       1, RG_LAYERS_MAX, true}, \
    {AT(n_embd),           RG_KEY_U32,  "embedding_length",                "hidden_size",             1, 1 << 20,  true}, \
    {AT(n_ff),             RG_KEY_U32,  "feed_forward_length",             "intermediate_size",       0, 1 << 22,  false}, \
    {AT(n_head),           RG_KEY_U32,  "attention.head_count",            "num_attention_heads",     1, 1 << 14,  true}, \
    {AT(n_vocab),          RG_KEY_U32,  "vocab_size",                      "vocab_size",              1, 1 << 24,  false}, \
    {AT(n_ctx_train),      RG_KEY_U32,  "context_length",                  "max_position_embeddings", 1, 1u << 31, true}, \
    {AT(norm_eps),         RG_KEY_F32,  "attention.layer_norm_rms_epsilon","rms_norm_eps",            1e-12, 1e-1, true}, \
    {AT(is_tied),          RG_KEY_BOOL, NULL,                              "tie_word_embeddings",     0, 1,        false}, \
    {AT(n_latent),         RG_KEY_U32,  "attention.kv_lora_rank",          "kv_lora_rank",            1, 1 << 13,  true}, \
    {AT(n_latent_q),       RG_KEY_U32,  "attention.q_lora_rank",           "q_lora_rank",             0, 1 << 16,  false}, \
    {AT(head_dim),         RG_KEY_U32,  "attention.key_length_mla",        NULL,                      1, 1 << 12,  false}, \
    {AT(v_head_dim),       RG_KEY_U32,  "attention.value_length_mla",      "v_head_dim",              1, 1 << 12,  false}, \
    {AT(n_still),          RG_KEY_U32,  NULL,                              "qk_nope_head_dim",        1, 1 << 12,  true}, \
    {AT(n_turning),        RG_KEY_U32,  "rope.dimension_count",            "qk_rope_head_dim",        2, 1 << 10,  true}, \
    {AT(n_expert),         RG_KEY_U32,  "expert_count",                    "n_routed_experts",        0, RG_EXPERTS_MAX, false}, \
    {AT(n_expert_used),    RG_KEY_U32,  "expert_used_count",               "num_experts_per_tok",     0, RG_EXPERTS_MAX, false}, \
    {AT(n_ff_expert),      RG_KEY_U32,  "expert_feed_forward_length",      "moe_intermediate_size",   0, 1 << 22,  false}, \
    {AT(n_shared),         RG_KEY_U32,  "expert_shared_count",             "n_shared_experts",        0, 64,       false}, \
    {AT(n_group),          RG_KEY_U32,  "expert_group_count",              "n_group",                 0, RG_EXPERTS_MAX, false}, \
    {AT(n_group_used),     RG_KEY_U32,  "expert_group_used_count",         "topk_group",              0, RG_EXPERTS_MAX, false}, \
    {AT(router_kind),      RG_KEY_U32,  "expert_gating_func",              NULL,                      1, 2,        false}, \
    {AT(expert_scale),     RG_KEY_F32,  "expert_weights_scale",            "routed_scaling_factor",   0, 1e6,      false}, \
    {AT(renorms_experts),  RG_KEY_BOOL, "expert_weights_norm",             "norm_topk_prob",          0, 1,        false}, \
    {AT(n_predict),        RG_KEY_U32,  "nextn_predict_layers",            NULL,                      0, 16,       false}

static const rg_key_rule keys[] = {KEYS};
static const rg_key_rule index_keys[] = {
    KEYS,
    {AT(n_index_head),     RG_KEY_U32,  "attention.indexer.head_count",    "index_n_heads",           1, RG_INDEX_HEADS_MAX, true},
    {AT(index_dim),        RG_KEY_U32,  "attention.indexer.key_length",    "index_head_dim",          1, RG_INDEX_DIM_MAX, true},
    {AT(n_index_top),      RG_KEY_U32,  "attention.indexer.top_k",         "index_topk",              1, RG_INDEX_TOP_MAX, true},
};

#define WEIGHTS \
    {RG_ROLE_EMBED,       "token_embd.weight",            "model.embed_tokens.weight",                      "vocab embd", RG_NEEDED}, \
    {RG_ROLE_OUTPUT_NORM, "output_norm.weight",           "model.norm.weight",                              "embd",       RG_NEEDED}, \
    {RG_ROLE_OUTPUT,      "output.weight",                "lm_head.weight",                                 "vocab embd", RG_OPTIONAL}, \
    {RG_ROLE_ATTN_NORM,   "blk.%u.attn_norm.weight",      "model.layers.%u.input_layernorm.weight",         "embd",       RG_NEEDED}, \
    {RG_ROLE_ATTN_Q,      "blk.%u.attn_q.weight",         "model.layers.%u.self_attn.q_proj.weight",        "head*hdim embd", RG_OPTIONAL}, \
    {RG_ROLE_Q_A,         "blk.%u.attn_q_a.weight",       "model.layers.%u.self_attn.q_a_proj.weight",      "latq embd",  RG_OPTIONAL}, \
    {RG_ROLE_Q_A_NORM,    "blk.%u.attn_q_a_norm.weight",  "model.layers.%u.self_attn.q_a_layernorm.weight", "latq",       RG_OPTIONAL}, \
    {RG_ROLE_Q_B,         "blk.%u.attn_q_b.weight",       "model.layers.%u.self_attn.q_b_proj.weight",      "head*hdim latq", RG_OPTIONAL}, \
    {RG_ROLE_KV_A,        "blk.%u.attn_kv_a_mqa.weight",  "model.layers.%u.self_attn.kv_a_proj_with_mqa.weight", "latkv embd", RG_NEEDED}, \
    {RG_ROLE_KV_A_NORM,   "blk.%u.attn_kv_a_norm.weight", "model.layers.%u.self_attn.kv_a_layernorm.weight", "lat",       RG_NEEDED}, \
    {RG_ROLE_KV_B,        "blk.%u.attn_kv_b.weight",      "model.layers.%u.self_attn.kv_b_proj.weight",     "head*kvb lat", RG_OPTIONAL}, \
    {RG_ROLE_K_B,         "blk.%u.attn_k_b.weight",       NULL,                                             "head lat still", RG_OPTIONAL}, \
    {RG_ROLE_V_B,         "blk.%u.attn_v_b.weight",       NULL,                                             "head vhd lat", RG_OPTIONAL}, \
    {RG_ROLE_ATTN_O,      "blk.%u.attn_output.weight",    "model.layers.%u.self_attn.o_proj.weight",        "embd head*vhd", RG_NEEDED}, \
    {RG_ROLE_FFN_NORM,    "blk.%u.ffn_norm.weight",       "model.layers.%u.post_attention_layernorm.weight", "embd",      RG_NEEDED}, \
    RG_WEIGHTS_FFN, \
    RG_WEIGHTS_EXPERTS, \
    {RG_ROLE_ROUTER_BIAS, "blk.%u.exp_probs_b.bias",      "model.layers.%u.mlp.gate.e_score_correction_bias", "exp",      RG_OPTIONAL}, \
    {RG_ROLE_SHARED_GATE, "blk.%u.ffn_gate_shexp.weight", "model.layers.%u.mlp.shared_experts.gate_proj.weight", "ffs embd", RG_IN_SHARED}, \
    {RG_ROLE_SHARED_UP,   "blk.%u.ffn_up_shexp.weight",   "model.layers.%u.mlp.shared_experts.up_proj.weight", "ffs embd", RG_IN_SHARED}, \
    {RG_ROLE_SHARED_DOWN, "blk.%u.ffn_down_shexp.weight", "model.layers.%u.mlp.shared_experts.down_proj.weight", "embd ffs", RG_IN_SHARED}

static const rg_weight_rule weights[] = {WEIGHTS};
static const rg_weight_rule index_weights[] = {
    WEIGHTS,
    {RG_ROLE_INDEX_Q,         "blk.%u.indexer.attn_q_b.weight", "model.layers.%u.self_attn.indexer.wq_b.weight",         "ih*idim latq", RG_NEEDED},
    {RG_ROLE_INDEX_K,         "blk.%u.indexer.attn_k.weight",   "model.layers.%u.self_attn.indexer.wk.weight",           "idim embd",    RG_NEEDED},
    {RG_ROLE_INDEX_NORM,      "blk.%u.indexer.k_norm.weight",   "model.layers.%u.self_attn.indexer.k_norm.weight",       "idim",         RG_NEEDED},
    {RG_ROLE_INDEX_NORM_BIAS, "blk.%u.indexer.k_norm.bias",     "model.layers.%u.self_attn.indexer.k_norm.bias",         "idim",         RG_NEEDED},
    {RG_ROLE_INDEX_WEIGHTS,   "blk.%u.indexer.proj.weight",     "model.layers.%u.self_attn.indexer.weights_proj.weight", "ih embd",      RG_NEEDED},
};
// clang-format on

const rg_arch rg_arch_deepseek2 = {
    .name = "deepseek2",
    .hf_classes = hf_classes,
    .is_rope_neighbor = true,
    .keys = keys,
    .n_keys = RG_N(keys),
    .weights = weights,
    .n_weights = RG_N(weights),
    .mtp = rg_mtp_deepseek,
};

const rg_arch rg_arch_deepseek32 = {
    .name = "deepseek32",
    .hf_classes = index_classes,
    .is_rope_neighbor = true,
    .keys = index_keys,
    .n_keys = RG_N(index_keys),
    .weights = index_weights,
    .n_weights = RG_N(index_weights),
    .mtp = rg_mtp_deepseek,
};
