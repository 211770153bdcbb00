/* Rows of the weight tables that decoders share. */
#pragma once

#include "model/arch.h"

// clang-format off
#define RG_WEIGHTS_PLAIN                                                                                                            \
    /* role                  GGUF                         HF                                              shape        missing? */ \
    {RG_ROLE_EMBED,          "token_embd.weight",         "model.embed_tokens.weight",                    "vocab embd", RG_NEEDED},   \
    {RG_ROLE_OUTPUT_NORM,    "output_norm.weight",        "model.norm.weight",                            "embd",       RG_NEEDED},   \
    {RG_ROLE_OUTPUT,         "output.weight",             "lm_head.weight",                               "vocab embd", RG_OPTIONAL}, \
    {RG_ROLE_ROPE_FREQS,     "rope_freqs.weight",         NULL,                                           "rot2",       RG_OPTIONAL}, \
    {RG_ROLE_ATTN_NORM,      "blk.%u.attn_norm.weight",   "model.layers.%u.input_layernorm.weight",       "embd",       RG_NEEDED},   \
    {RG_ROLE_ATTN_Q,         "blk.%u.attn_q.weight",      "model.layers.%u.self_attn.q_proj.weight",      "head*hdim embd", RG_IN_ATTENTION}, \
    {RG_ROLE_ATTN_K,         "blk.%u.attn_k.weight",      "model.layers.%u.self_attn.k_proj.weight",      "kv*hdim embd", RG_IN_ATTENTION}, \
    {RG_ROLE_ATTN_V,         "blk.%u.attn_v.weight",      "model.layers.%u.self_attn.v_proj.weight",      "kv*hdim embd", RG_IN_ATTENTION}, \
    {RG_ROLE_ATTN_O,         "blk.%u.attn_output.weight", "model.layers.%u.self_attn.o_proj.weight",      "embd head*hdim", RG_IN_ATTENTION}, \
    {RG_ROLE_FFN_NORM,       "blk.%u.ffn_norm.weight",    "model.layers.%u.post_attention_layernorm.weight", "embd",    RG_NEEDED}

// the same and the usual feed-forward part
#define RG_WEIGHTS_DENSE RG_WEIGHTS_PLAIN, RG_WEIGHTS_FFN

#define RG_WEIGHTS_QKV_BIAS(missing)                                                                                                \
    {RG_ROLE_ATTN_Q_BIAS,    "blk.%u.attn_q.bias",        "model.layers.%u.self_attn.q_proj.bias",        "head*hdim",  missing},     \
    {RG_ROLE_ATTN_K_BIAS,    "blk.%u.attn_k.bias",        "model.layers.%u.self_attn.k_proj.bias",        "kv*hdim",    missing},     \
    {RG_ROLE_ATTN_V_BIAS,    "blk.%u.attn_v.bias",        "model.layers.%u.self_attn.v_proj.bias",        "kv*hdim",    missing},     \
    {RG_ROLE_ATTN_O_BIAS,    "blk.%u.attn_output.bias",   "model.layers.%u.self_attn.o_proj.bias",        "embd",       RG_OPTIONAL}

#define RG_WEIGHTS_FFN_BIAS                                                                                                         \
    {RG_ROLE_FFN_GATE_BIAS,  "blk.%u.ffn_gate.bias",      "model.layers.%u.mlp.gate_proj.bias",           "ff",         RG_OPTIONAL}, \
    {RG_ROLE_FFN_UP_BIAS,    "blk.%u.ffn_up.bias",        "model.layers.%u.mlp.up_proj.bias",             "ff",         RG_OPTIONAL}, \
    {RG_ROLE_FFN_DOWN_BIAS,  "blk.%u.ffn_down.bias",      "model.layers.%u.mlp.down_proj.bias",           "embd",       RG_OPTIONAL}

#define RG_WEIGHTS_EXPERTS                                                                                                          \
    {RG_ROLE_ROUTER,         "blk.%u.ffn_gate_inp.weight",  "model.layers.%u.mlp.gate.weight",                "exp embd", RG_IN_SPARSE},    \
    {RG_ROLE_EXPERT_GATE,    "blk.%u.ffn_gate_exps.weight", "model.layers.%u.mlp.experts.%e.gate_proj.weight", "exp ffx embd", RG_IN_SPARSE}, \
    {RG_ROLE_EXPERT_UP,      "blk.%u.ffn_up_exps.weight",   "model.layers.%u.mlp.experts.%e.up_proj.weight",   "exp ffx embd", RG_IN_SPARSE}, \
    {RG_ROLE_EXPERT_DOWN,    "blk.%u.ffn_down_exps.weight", "model.layers.%u.mlp.experts.%e.down_proj.weight", "exp embd ffx", RG_IN_SPARSE}

#define RG_WEIGHTS_SHARED_EXPERT                                                                                                    \
    {RG_ROLE_SHARED_ROUTER,  "blk.%u.ffn_gate_inp_shexp.weight", "model.layers.%u.mlp.shared_expert_gate.weight",   "1 embd", RG_IN_SHARED}, \
    {RG_ROLE_SHARED_GATE,    "blk.%u.ffn_gate_shexp.weight", "model.layers.%u.mlp.shared_expert.gate_proj.weight", "ffs embd", RG_IN_SHARED}, \
    {RG_ROLE_SHARED_UP,      "blk.%u.ffn_up_shexp.weight",   "model.layers.%u.mlp.shared_expert.up_proj.weight",   "ffs embd", RG_IN_SHARED}, \
    {RG_ROLE_SHARED_DOWN,    "blk.%u.ffn_down_shexp.weight", "model.layers.%u.mlp.shared_expert.down_proj.weight", "embd ffs", RG_IN_SHARED}

#define RG_WEIGHTS_QK_NORM(missing)                                                                                                 \
    {RG_ROLE_ATTN_Q_NORM,    "blk.%u.attn_q_norm.weight", "model.layers.%u.self_attn.q_norm.weight",      "hdim",       missing},     \
    {RG_ROLE_ATTN_K_NORM,    "blk.%u.attn_k_norm.weight", "model.layers.%u.self_attn.k_norm.weight",      "hdim",       missing}
// clang-format on

// Attention in some layers, the gated delta rule in the others. Source: Yang et al. 2024, arXiv 2412.06464.
// clang-format off
#define RG_WEIGHTS_HYBRID                                                                                                           \
    {RG_ROLE_EMBED,          "token_embd.weight",         "model.embed_tokens.weight",                    "vocab embd", RG_NEEDED},   \
    {RG_ROLE_OUTPUT_NORM,    "output_norm.weight",        "model.norm.weight",                            "embd",       RG_NEEDED},   \
    {RG_ROLE_OUTPUT,         "output.weight",             "lm_head.weight",                               "vocab embd", RG_OPTIONAL}, \
    {RG_ROLE_ATTN_NORM,      "blk.%u.attn_norm.weight",   "model.layers.%u.input_layernorm.weight",       "embd",       RG_NEEDED},   \
    {RG_ROLE_ATTN_Q,         "blk.%u.attn_q.weight",      "model.layers.%u.self_attn.q_proj.weight",      "2*head*hdim embd", RG_IN_ATTENTION}, \
    {RG_ROLE_ATTN_K,         "blk.%u.attn_k.weight",      "model.layers.%u.self_attn.k_proj.weight",      "kv*hdim embd", RG_IN_ATTENTION}, \
    {RG_ROLE_ATTN_V,         "blk.%u.attn_v.weight",      "model.layers.%u.self_attn.v_proj.weight",      "kv*hdim embd", RG_IN_ATTENTION}, \
    {RG_ROLE_ATTN_O,         "blk.%u.attn_output.weight", "model.layers.%u.self_attn.o_proj.weight",      "embd head*hdim", RG_IN_ATTENTION}, \
    {RG_ROLE_ATTN_Q_NORM,    "blk.%u.attn_q_norm.weight", "model.layers.%u.self_attn.q_norm.weight",      "hdim",       RG_IN_ATTENTION}, \
    {RG_ROLE_ATTN_K_NORM,    "blk.%u.attn_k_norm.weight", "model.layers.%u.self_attn.k_norm.weight",      "hdim",       RG_IN_ATTENTION}, \
    {RG_ROLE_DELTA_CONV,     "blk.%u.ssm_conv1d.weight",  "model.layers.%u.linear_attn.conv1d.weight",    "dqkv conv",  RG_IN_RECURRENT}, \
    {RG_ROLE_DELTA_DECAY,    "blk.%u.ssm_a",              "model.layers.%u.linear_attn.A_log",            "vh",         RG_IN_RECURRENT}, \
    {RG_ROLE_DELTA_DT,       "blk.%u.ssm_dt.bias",        "model.layers.%u.linear_attn.dt_bias",          "vh",         RG_IN_RECURRENT}, \
    {RG_ROLE_DELTA_NORM,     "blk.%u.ssm_norm.weight",    "model.layers.%u.linear_attn.norm.weight",      "vdim",       RG_IN_RECURRENT}, \
    {RG_ROLE_DELTA_O,        "blk.%u.ssm_out.weight",     "model.layers.%u.linear_attn.out_proj.weight",  "embd dval",  RG_IN_RECURRENT}, \
    {RG_ROLE_FFN_NORM,       "blk.%u.post_attention_norm.weight", "model.layers.%u.post_attention_layernorm.weight", "embd", RG_NEEDED}

#define RG_WEIGHTS_FFN                                                                                                              \
    {RG_ROLE_FFN_GATE,       "blk.%u.ffn_gate.weight",    "model.layers.%u.mlp.gate_proj.weight",         "ff embd",    RG_IN_DENSE}, \
    {RG_ROLE_FFN_UP,         "blk.%u.ffn_up.weight",      "model.layers.%u.mlp.up_proj.weight",           "ff embd",    RG_IN_DENSE}, \
    {RG_ROLE_FFN_DOWN,       "blk.%u.ffn_down.weight",    "model.layers.%u.mlp.down_proj.weight",         "embd ff",    RG_IN_DENSE}

#define RG_WEIGHTS_DELTA_SPLIT                                                                                                      \
    {RG_ROLE_DELTA_QKV,      "blk.%u.attn_qkv.weight",    "model.layers.%u.linear_attn.in_proj_qkv.weight", "dqkv embd", RG_IN_RECURRENT}, \
    {RG_ROLE_DELTA_Z,        "blk.%u.attn_gate.weight",   "model.layers.%u.linear_attn.in_proj_z.weight", "dval embd",  RG_IN_RECURRENT}, \
    {RG_ROLE_DELTA_B,        "blk.%u.ssm_beta.weight",    "model.layers.%u.linear_attn.in_proj_b.weight", "vh embd",    RG_IN_RECURRENT}, \
    {RG_ROLE_DELTA_A,        "blk.%u.ssm_alpha.weight",   "model.layers.%u.linear_attn.in_proj_a.weight", "vh embd",    RG_IN_RECURRENT}

// by key head: in checkpoints all of them, in GGUF b and a alone
#define RG_WEIGHTS_DELTA_BY_HEAD                                                                                                    \
    {RG_ROLE_DELTA_QKV,      "blk.%u.attn_qkv.weight",    NULL,                                           "dqkv embd",  RG_IN_RECURRENT}, \
    {RG_ROLE_DELTA_Z,        "blk.%u.attn_gate.weight",   NULL,                                           "dval embd",  RG_IN_RECURRENT}, \
    {RG_ROLE_DELTA_QKVZ,     NULL,                        "model.layers.%u.linear_attn.in_proj_qkvz.weight", "dqkvz embd", RG_IN_RECURRENT}, \
    {RG_ROLE_DELTA_BA,       "blk.%u.ssm_ba.weight",      "model.layers.%u.linear_attn.in_proj_ba.weight", "2*vh embd",  RG_IN_RECURRENT}
// clang-format on

#define RG_N(table) (sizeof(table) / sizeof *(table))
