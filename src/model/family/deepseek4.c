/* DeepSeek V4 and V4-Flash: attention over a window and compressed rows, four residual streams, experts in all layers. */
#include "graph/graph.h"
#include "model/family/weights_decoder.h"

#include <stddef.h>

static const char *const hf_classes[] = {"DeepseekV4ForCausalLM", NULL};

#define AT(field) offsetof(rg_hparams, field)

// clang-format off
static const rg_key_rule keys[] = {
    {AT(n_layer),          RG_KEY_U32,  "block_count",                     "num_hidden_layers",       1, RG_LAYERS_MAX, true},
    {AT(n_embd),           RG_KEY_U32,  "embedding_length",                "hidden_size",             1, 1 << 20,  true},
    {AT(n_head),           RG_KEY_U32,  "attention.head_count",            "num_attention_heads",     1, RG_COMPRESSED_HEADS_MAX, true},
    {AT(n_kv_head),        RG_KEY_U32,  "attention.head_count_kv",         "num_key_value_heads",     1, 1,        false},
    {AT(head_dim),         RG_KEY_U32,  "attention.key_length",            "head_dim",                4, RG_COMPRESSED_DIM_MAX, true},
    {AT(n_vocab),          RG_KEY_U32,  "vocab_size",                      "vocab_size",              1, 1 << 24,  false},
    {AT(n_ctx_train),      RG_KEY_U32,  "context_length",                  "max_position_embeddings", 1, 1u << 31, true},
    {AT(norm_eps),         RG_KEY_F32,  "attention.layer_norm_rms_epsilon","rms_norm_eps",            1e-12, 1e-1, true},
    {AT(is_tied),          RG_KEY_BOOL, NULL,                              "tie_word_embeddings",     0, 1,        false},
    {AT(n_latent_q),       RG_KEY_U32,  "attention.q_lora_rank",           "q_lora_rank",             1, 1 << 16,  true},
    {AT(n_turning),        RG_KEY_U32,  "rope.dimension_count",            "qk_rope_head_dim",        2, 2 * RG_ROPE_HALF_MAX, true},
    {AT(window),           RG_KEY_U32,  "attention.sliding_window",        "sliding_window",          1, 1 << 16,  true},
    {AT(compressed_base),  RG_KEY_F32,  "attention.compress_rope_freq_base", "compress_rope_theta",   1.001, 1e15, true},
    {AT(n_out_group),      RG_KEY_U32,  "attention.output_group_count",    "o_groups",                1, RG_COMPRESSED_HEADS_MAX, true},
    {AT(n_out_latent),     RG_KEY_U32,  "attention.output_lora_rank",      "o_lora_rank",             1, 1 << 16,  true},
    {AT(n_index_head),     RG_KEY_U32,  "attention.indexer.head_count",    "index_n_heads",           1, RG_INDEX_HEADS_MAX, true},
    {AT(index_dim),        RG_KEY_U32,  "attention.indexer.key_length",    "index_head_dim",          4, RG_INDEX_DIM_MAX, true},
    {AT(n_index_top),      RG_KEY_U32,  "attention.indexer.top_k",         "index_topk",              1, RG_INDEX_TOP_MAX, true},
    {AT(n_stream),         RG_KEY_U32,  "hyper_connection.count",          "hc_mult",                 RG_STREAMS, RG_STREAMS, true},
    {AT(n_sinkhorn),       RG_KEY_U32,  "hyper_connection.sinkhorn_iterations", "hc_sinkhorn_iters",  1, RG_SINKHORN_MAX, true},
    {AT(stream_eps),       RG_KEY_F32,  "hyper_connection.epsilon",        "hc_eps",                  1e-12, 1e-1, true},
    {AT(n_expert),         RG_KEY_U32,  "expert_count",                    "n_routed_experts",        1, RG_EXPERTS_MAX, true},
    {AT(n_expert_used),    RG_KEY_U32,  "expert_used_count",               "num_experts_per_tok",     1, RG_EXPERTS_MAX, true},
    {AT(n_ff_expert),      RG_KEY_U32,  "expert_feed_forward_length",      "moe_intermediate_size",   1, 1 << 22,  true},
    {AT(n_shared),         RG_KEY_U32,  "expert_shared_count",             "n_shared_experts",        0, 64,       false},
    {AT(router_kind),      RG_KEY_U32,  "expert_gating_func",              NULL,                      4, 4,        false},
    {AT(expert_scale),     RG_KEY_F32,  "expert_weights_scale",            "routed_scaling_factor",   0, 1e6,      false},
    {AT(renorms_experts),  RG_KEY_BOOL, "expert_weights_norm",             "norm_topk_prob",          0, 1,        false},
    {AT(swiglu_limit),     RG_KEY_F32,  "swiglu_clamp_exp",                "swiglu_limit",            0, 1e6,      false},
    {AT(swiglu_limit_shared), RG_KEY_F32, "swiglu_clamp_shexp",            "swiglu_limit",            0, 1e6,      false},
    {AT(n_hash_layer),     RG_KEY_U32,  "hash_layer_count",                "num_hash_layers",         0, RG_LAYERS_MAX, false},
    {AT(n_predict),        RG_KEY_U32,  "nextn_predict_layers",            NULL,                      0, 16,       false},
};

#define HYPER(which, role) \
    {RG_ROLE_HYPER_##role##_FN,    "blk.%u.hc_" which "_fn.weight",    "layers.%u.hc_" which "_fn",    "24 4*embd", RG_NEEDED}, \
    {RG_ROLE_HYPER_##role##_BASE,  "blk.%u.hc_" which "_base.weight",  "layers.%u.hc_" which "_base",  "24",        RG_NEEDED}, \
    {RG_ROLE_HYPER_##role##_SCALE, "blk.%u.hc_" which "_scale.weight", "layers.%u.hc_" which "_scale", "3",         RG_NEEDED}

static const rg_weight_rule weights[] = {
    {RG_ROLE_EMBED,         "token_embd.weight",              "embed.weight",                          "vocab embd",    RG_NEEDED},
    {RG_ROLE_OUTPUT_NORM,   "output_norm.weight",             "norm.weight",                           "embd",          RG_NEEDED},
    {RG_ROLE_OUTPUT,        "output.weight",                  "head.weight",                           "vocab embd",    RG_OPTIONAL},
    {RG_ROLE_HYPER_HEAD_FN,    "output_hc_fn.weight",         "hc_head_fn",                            "4 4*embd",      RG_NEEDED},
    {RG_ROLE_HYPER_HEAD_BASE,  "output_hc_base.weight",       "hc_head_base",                          "4",             RG_NEEDED},
    {RG_ROLE_HYPER_HEAD_SCALE, "output_hc_scale.weight",      "hc_head_scale",                         "1",             RG_NEEDED},
    HYPER("attn", ATTN),
    HYPER("ffn", FFN),
    {RG_ROLE_ATTN_NORM,     "blk.%u.attn_norm.weight",        "layers.%u.attn_norm.weight",            "embd",          RG_NEEDED},
    {RG_ROLE_Q_A,           "blk.%u.attn_q_a.weight",         "layers.%u.attn.wq_a.weight",            "latq embd",     RG_NEEDED},
    {RG_ROLE_Q_A_NORM,      "blk.%u.attn_q_a_norm.weight",    "layers.%u.attn.q_norm.weight",          "latq",          RG_NEEDED},
    {RG_ROLE_Q_B,           "blk.%u.attn_q_b.weight",         "layers.%u.attn.wq_b.weight",            "head*hdim latq", RG_NEEDED},
    {RG_ROLE_KV_A,          "blk.%u.attn_kv.weight",          "layers.%u.attn.wkv.weight",             "hdim embd",     RG_NEEDED},
    {RG_ROLE_KV_A_NORM,     "blk.%u.attn_kv_a_norm.weight",   "layers.%u.attn.kv_norm.weight",         "hdim",          RG_NEEDED},
    {RG_ROLE_ATTN_SINKS,    "blk.%u.attn_sinks.weight",       "layers.%u.attn.attn_sink",              "head",          RG_NEEDED},
    {RG_ROLE_O_A,           "blk.%u.attn_output_a.weight",    "layers.%u.attn.wo_a.weight",            "og*olat ogw",   RG_NEEDED},
    {RG_ROLE_O_B,           "blk.%u.attn_output_b.weight",    "layers.%u.attn.wo_b.weight",            "embd og*olat",  RG_NEEDED},
    {RG_ROLE_COMPRESS_KV,   "blk.%u.attn_compressor_kv.weight",   "layers.%u.attn.compressor.wkv.weight",   "2*hdim embd", RG_IN_OVERLAPPING},
    {RG_ROLE_COMPRESS_GATE, "blk.%u.attn_compressor_gate.weight", "layers.%u.attn.compressor.wgate.weight", "2*hdim embd", RG_IN_OVERLAPPING},
    {RG_ROLE_COMPRESS_APE,  "blk.%u.attn_compressor_ape.weight",  "layers.%u.attn.compressor.ape",          "4 2*hdim",    RG_IN_OVERLAPPING},
    {RG_ROLE_COMPRESS_NORM, "blk.%u.attn_compressor_norm.weight", "layers.%u.attn.compressor.norm.weight",  "hdim",        RG_IN_OVERLAPPING},
    {RG_ROLE_COMPRESS_KV,   "blk.%u.attn_compressor_kv.weight",   "layers.%u.attn.compressor.wkv.weight",   "hdim embd",   RG_IN_COMPRESSED},
    {RG_ROLE_COMPRESS_GATE, "blk.%u.attn_compressor_gate.weight", "layers.%u.attn.compressor.wgate.weight", "hdim embd",   RG_IN_COMPRESSED},
    {RG_ROLE_COMPRESS_APE,  "blk.%u.attn_compressor_ape.weight",  "layers.%u.attn.compressor.ape",          "128 hdim",    RG_IN_COMPRESSED},
    {RG_ROLE_COMPRESS_NORM, "blk.%u.attn_compressor_norm.weight", "layers.%u.attn.compressor.norm.weight",  "hdim",        RG_IN_COMPRESSED},
    {RG_ROLE_INDEX_Q,       "blk.%u.indexer.attn_q_b.weight",     "layers.%u.attn.indexer.wq_b.weight",     "ih*idim latq", RG_IN_OVERLAPPING},
    {RG_ROLE_INDEX_WEIGHTS, "blk.%u.indexer.proj.weight",         "layers.%u.attn.indexer.weights_proj.weight", "ih embd", RG_IN_OVERLAPPING},
    {RG_ROLE_INDEX_COMPRESS_KV,   "blk.%u.indexer_compressor_kv.weight",   "layers.%u.attn.indexer.compressor.wkv.weight",   "2*idim embd", RG_IN_OVERLAPPING},
    {RG_ROLE_INDEX_COMPRESS_GATE, "blk.%u.indexer_compressor_gate.weight", "layers.%u.attn.indexer.compressor.wgate.weight", "2*idim embd", RG_IN_OVERLAPPING},
    {RG_ROLE_INDEX_COMPRESS_APE,  "blk.%u.indexer_compressor_ape.weight",  "layers.%u.attn.indexer.compressor.ape",          "4 2*idim",    RG_IN_OVERLAPPING},
    {RG_ROLE_INDEX_COMPRESS_NORM, "blk.%u.indexer_compressor_norm.weight", "layers.%u.attn.indexer.compressor.norm.weight",  "idim",        RG_IN_OVERLAPPING},
    {RG_ROLE_FFN_NORM,      "blk.%u.ffn_norm.weight",         "layers.%u.ffn_norm.weight",             "embd",          RG_NEEDED},
    {RG_ROLE_ROUTER,        "blk.%u.ffn_gate_inp.weight",     "layers.%u.ffn.gate.weight",             "exp embd",      RG_NEEDED},
    {RG_ROLE_ROUTER_BIAS,   "blk.%u.exp_probs_b.bias",        "layers.%u.ffn.gate.bias",               "exp",           RG_OPTIONAL},
    {RG_ROLE_ROUTER_TABLE,  "blk.%u.ffn_gate_tid2eid.weight", "layers.%u.ffn.gate.tid2eid",            "vocab used",    RG_OPTIONAL},
    {RG_ROLE_EXPERT_GATE,   "blk.%u.ffn_gate_exps.weight",    "layers.%u.ffn.experts.%e.w1.weight",    "exp ffx embd",  RG_NEEDED},
    {RG_ROLE_EXPERT_UP,     "blk.%u.ffn_up_exps.weight",      "layers.%u.ffn.experts.%e.w3.weight",    "exp ffx embd",  RG_NEEDED},
    {RG_ROLE_EXPERT_DOWN,   "blk.%u.ffn_down_exps.weight",    "layers.%u.ffn.experts.%e.w2.weight",    "exp embd ffx",  RG_NEEDED},
    {RG_ROLE_SHARED_GATE,   "blk.%u.ffn_gate_shexp.weight",   "layers.%u.ffn.shared_experts.w1.weight", "ffs embd",     RG_IN_SHARED},
    {RG_ROLE_SHARED_UP,     "blk.%u.ffn_up_shexp.weight",     "layers.%u.ffn.shared_experts.w3.weight", "ffs embd",     RG_IN_SHARED},
    {RG_ROLE_SHARED_DOWN,   "blk.%u.ffn_down_shexp.weight",   "layers.%u.ffn.shared_experts.w2.weight", "embd ffs",     RG_IN_SHARED},
};
// clang-format on

const rg_arch rg_arch_deepseek4 = {
    .name = "deepseek4",
    .hf_classes = hf_classes,
    .is_rope_neighbor = true,
    .uses_window = true,
    .renorms_experts = true,
    .renorms_experts_hf = true,
    .compresses = true,
    .keys = keys,
    .n_keys = RG_N(keys),
    .weights = weights,
    .n_weights = RG_N(weights),
};
