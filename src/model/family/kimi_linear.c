/* Kimi-Linear: three layers of the delta rule, with a decay for each key channel, to one of latent
 * attention without rope; experts. */
#include "graph/graph.h"
#include "model/family/weights_decoder.h"

#include <stddef.h>

static const char *const hf_classes[] = {"KimiLinearForCausalLM", NULL};

#define AT(field) offsetof(rg_hparams, field)

// clang-format off
static const rg_key_rule keys[] = {
    {AT(n_layer),          RG_KEY_U32,  "block_count",                     "num_hidden_layers",       1, RG_LAYERS_MAX, true},
    {AT(n_embd),           RG_KEY_U32,  "embedding_length",                "hidden_size",             1, 1 << 20,  true},
    {AT(n_ff),             RG_KEY_U32,  "feed_forward_length",             "intermediate_size",       0, 1 << 22,  false},
    {AT(n_head),           RG_KEY_U32,  "attention.head_count",            "num_attention_heads",     1, 1 << 14,  true},
    {AT(n_vocab),          RG_KEY_U32,  "vocab_size",                      "vocab_size",              1, 1 << 24,  false},
    {AT(n_ctx_train),      RG_KEY_U32,  "context_length",                  "model_max_length",        1, 1u << 31, true},
    {AT(norm_eps),         RG_KEY_F32,  "attention.layer_norm_rms_epsilon","rms_norm_eps",            1e-12, 1e-1, true},
    {AT(is_tied),          RG_KEY_BOOL, NULL,                              "tie_word_embeddings",     0, 1,        false},
    {AT(n_latent),         RG_KEY_U32,  "attention.kv_lora_rank",          "kv_lora_rank",            1, 1 << 13,  true},
    {AT(head_dim),         RG_KEY_U32,  "attention.key_length_mla",        NULL,                      1, 1 << 12,  false},
    {AT(v_head_dim),       RG_KEY_U32,  "attention.value_length_mla",      "v_head_dim",              1, 1 << 12,  true},
    {AT(n_still),          RG_KEY_U32,  NULL,                              "qk_nope_head_dim",        1, 1 << 12,  true},
    {AT(n_turning),        RG_KEY_U32,  "rope.dimension_count",            "qk_rope_head_dim",        2, 1 << 10,  true},
    {AT(n_expert),         RG_KEY_U32,  "expert_count",                    "num_experts",             1, RG_EXPERTS_MAX, true},
    {AT(n_expert_used),    RG_KEY_U32,  "expert_used_count",               "num_experts_per_token",   1, RG_EXPERTS_MAX, true},
    {AT(n_ff_expert),      RG_KEY_U32,  "expert_feed_forward_length",      "moe_intermediate_size",   1, 1 << 22,  true},
    {AT(n_shared),         RG_KEY_U32,  "expert_shared_count",             "num_shared_experts",      0, 64,       false},
    {AT(n_group),          RG_KEY_U32,  "expert_group_count",              "num_expert_group",        0, RG_EXPERTS_MAX, false},
    {AT(n_group_used),     RG_KEY_U32,  "expert_group_used_count",         "topk_group",              0, RG_EXPERTS_MAX, false},
    {AT(router_kind),      RG_KEY_U32,  "expert_gating_func",              NULL,                      1, 2,        false},
    {AT(expert_scale),     RG_KEY_F32,  "expert_weights_scale",            "routed_scaling_factor",   0, 1e6,      false},
    {AT(renorms_experts),  RG_KEY_BOOL, "expert_weights_norm",             "moe_renormalize",         0, 1,        false},
    {AT(conv_kernel),      RG_KEY_U32,  "ssm.conv_kernel",                 "linear_attn_config.short_conv_kernel_size", 1, RG_CONV_KERNEL_MAX, true},
    {AT(delta_k_dim),      RG_KEY_U32,  "kda.head_dim",                    "linear_attn_config.head_dim", 1, RG_DELTA_DIM_MAX, true},
    {AT(n_delta_head),     RG_KEY_U32,  NULL,                              "linear_attn_config.num_heads", 1, 1 << 14, true},
};

#define MOE "model.layers.%u.block_sparse_moe."

static const rg_weight_rule weights[] = {
    {RG_ROLE_EMBED,       "token_embd.weight",            "model.embed_tokens.weight",                      "vocab embd", RG_NEEDED},
    {RG_ROLE_OUTPUT_NORM, "output_norm.weight",           "model.norm.weight",                              "embd",       RG_NEEDED},
    {RG_ROLE_OUTPUT,      "output.weight",                "lm_head.weight",                                 "vocab embd", RG_OPTIONAL},
    {RG_ROLE_ATTN_NORM,   "blk.%u.attn_norm.weight",      "model.layers.%u.input_layernorm.weight",         "embd",       RG_NEEDED},
    {RG_ROLE_ATTN_Q,      "blk.%u.attn_q.weight",         "model.layers.%u.self_attn.q_proj.weight",        "head*hdim embd", RG_IN_ATTENTION},
    {RG_ROLE_KV_A,        "blk.%u.attn_kv_a_mqa.weight",  "model.layers.%u.self_attn.kv_a_proj_with_mqa.weight", "latkv embd", RG_IN_ATTENTION},
    {RG_ROLE_KV_A_NORM,   "blk.%u.attn_kv_a_norm.weight", "model.layers.%u.self_attn.kv_a_layernorm.weight", "lat",       RG_IN_ATTENTION},
    {RG_ROLE_KV_B,        "blk.%u.attn_kv_b.weight",      "model.layers.%u.self_attn.kv_b_proj.weight",     "head*kvb lat", RG_OPTIONAL},
    {RG_ROLE_K_B,         "blk.%u.attn_k_b.weight",       NULL,                                             "head lat still", RG_OPTIONAL},
    {RG_ROLE_V_B,         "blk.%u.attn_v_b.weight",       NULL,                                             "head vhd lat", RG_OPTIONAL},
    {RG_ROLE_ATTN_O,      "blk.%u.attn_output.weight",    "model.layers.%u.self_attn.o_proj.weight",        "embd head*vhd", RG_IN_ATTENTION},
    {RG_ROLE_KDA_Q,       "blk.%u.attn_q.weight",         "model.layers.%u.self_attn.q_proj.weight",        "dval embd",  RG_IN_RECURRENT},
    {RG_ROLE_KDA_K,       "blk.%u.attn_k.weight",         "model.layers.%u.self_attn.k_proj.weight",        "dval embd",  RG_IN_RECURRENT},
    {RG_ROLE_KDA_V,       "blk.%u.attn_v.weight",         "model.layers.%u.self_attn.v_proj.weight",        "dval embd",  RG_IN_RECURRENT},
    {RG_ROLE_DELTA_CONV,  "blk.%u.ssm_conv1d_q.weight",   "model.layers.%u.self_attn.q_conv1d.weight",      "dval conv",  RG_IN_RECURRENT},
    {RG_ROLE_KDA_CONV_K,  "blk.%u.ssm_conv1d_k.weight",   "model.layers.%u.self_attn.k_conv1d.weight",      "dval conv",  RG_IN_RECURRENT},
    {RG_ROLE_KDA_CONV_V,  "blk.%u.ssm_conv1d_v.weight",   "model.layers.%u.self_attn.v_conv1d.weight",      "dval conv",  RG_IN_RECURRENT},
    {RG_ROLE_DELTA_DECAY, "blk.%u.ssm_a",                 "model.layers.%u.self_attn.A_log",                "vh",         RG_IN_RECURRENT},
    {RG_ROLE_DELTA_DT,    "blk.%u.ssm_dt.bias",           "model.layers.%u.self_attn.dt_bias",              "dval",       RG_IN_RECURRENT},
    {RG_ROLE_KDA_F_A,     "blk.%u.ssm_f_a.weight",        "model.layers.%u.self_attn.f_a_proj.weight",      "vdim embd",  RG_IN_RECURRENT},
    {RG_ROLE_KDA_F_B,     "blk.%u.ssm_f_b.weight",        "model.layers.%u.self_attn.f_b_proj.weight",      "dval vdim",  RG_IN_RECURRENT},
    {RG_ROLE_DELTA_B,     "blk.%u.ssm_beta.weight",       "model.layers.%u.self_attn.b_proj.weight",        "vh embd",    RG_IN_RECURRENT},
    {RG_ROLE_KDA_G_A,     "blk.%u.ssm_g_a.weight",        "model.layers.%u.self_attn.g_a_proj.weight",      "vdim embd",  RG_IN_RECURRENT},
    {RG_ROLE_KDA_G_B,     "blk.%u.ssm_g_b.weight",        "model.layers.%u.self_attn.g_b_proj.weight",      "dval vdim",  RG_IN_RECURRENT},
    {RG_ROLE_DELTA_NORM,  "blk.%u.ssm_norm.weight",       "model.layers.%u.self_attn.o_norm.weight",        "vdim",       RG_IN_RECURRENT},
    {RG_ROLE_DELTA_O,     "blk.%u.attn_output.weight",    "model.layers.%u.self_attn.o_proj.weight",        "embd dval",  RG_IN_RECURRENT},
    {RG_ROLE_FFN_NORM,    "blk.%u.ffn_norm.weight",       "model.layers.%u.post_attention_layernorm.weight", "embd",      RG_NEEDED},
    RG_WEIGHTS_FFN,
    {RG_ROLE_ROUTER,      "blk.%u.ffn_gate_inp.weight",   MOE "gate.weight",                                "exp embd",   RG_IN_SPARSE},
    {RG_ROLE_ROUTER_BIAS, "blk.%u.exp_probs_b.bias",      MOE "gate.e_score_correction_bias",               "exp",        RG_OPTIONAL},
    {RG_ROLE_EXPERT_GATE, "blk.%u.ffn_gate_exps.weight",  MOE "experts.%e.w1.weight",                       "exp ffx embd", RG_IN_SPARSE},
    {RG_ROLE_EXPERT_UP,   "blk.%u.ffn_up_exps.weight",    MOE "experts.%e.w3.weight",                       "exp ffx embd", RG_IN_SPARSE},
    {RG_ROLE_EXPERT_DOWN, "blk.%u.ffn_down_exps.weight",  MOE "experts.%e.w2.weight",                       "exp embd ffx", RG_IN_SPARSE},
    {RG_ROLE_SHARED_GATE, "blk.%u.ffn_gate_shexp.weight", MOE "shared_experts.gate_proj.weight",            "ffs embd",   RG_IN_SHARED},
    {RG_ROLE_SHARED_UP,   "blk.%u.ffn_up_shexp.weight",   MOE "shared_experts.up_proj.weight",              "ffs embd",   RG_IN_SHARED},
    {RG_ROLE_SHARED_DOWN, "blk.%u.ffn_down_shexp.weight", MOE "shared_experts.down_proj.weight",            "embd ffs",   RG_IN_SHARED},
};
// clang-format on

const rg_arch rg_arch_kimi_linear = {
    .name = "kimi-linear",
    .hf_classes = hf_classes,
    .turns_nothing = true,
    .keys = keys,
    .n_keys = RG_N(keys),
    .weights = weights,
    .n_weights = RG_N(weights),
};
