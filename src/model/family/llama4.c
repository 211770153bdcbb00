/* Llama 4: Scout, Maverick. Most layers see a part of the text and turn, every fourth sees all of
 * it and does not; one expert a token, whose input is weighed. */
#include "graph/graph.h"
#include "model/family/weights_decoder.h"

#include <stddef.h>

static const char *const hf_classes[] = {"Llama4ForConditionalGeneration", "Llama4ForCausalLM",
                                         NULL};

#define AT(field) offsetof(rg_hparams, field)

// clang-format off
static const rg_key_rule keys[] = {
    {AT(n_layer),          RG_KEY_U32,  "block_count",                     "num_hidden_layers",       1, RG_LAYERS_MAX, true},
    {AT(n_embd),           RG_KEY_U32,  "embedding_length",                "hidden_size",             1, 1 << 20,  true},
    {AT(n_ff),             RG_KEY_U32,  "feed_forward_length",             "intermediate_size_mlp",   0, 1 << 22,  false},
    {AT(n_head),           RG_KEY_U32,  "attention.head_count",            "num_attention_heads",     1, 1 << 14,  true},
    {AT(n_kv_head),        RG_KEY_U32,  "attention.head_count_kv",         "num_key_value_heads",     1, 1 << 14,  false},
    {AT(head_dim),         RG_KEY_U32,  "attention.key_length",            "head_dim",                1, 1 << 12,  false},
    {AT(n_vocab),          RG_KEY_U32,  "vocab_size",                      "vocab_size",              1, 1 << 24,  false},
    {AT(n_ctx_train),      RG_KEY_U32,  "context_length",                  "max_position_embeddings", 1, 1u << 31, true},
    {AT(norm_eps),         RG_KEY_F32,  "attention.layer_norm_rms_epsilon","rms_norm_eps",            1e-12, 1e-1, true},
    {AT(is_tied),          RG_KEY_BOOL, NULL,                              "tie_word_embeddings",     0, 1,        false},
    {AT(n_expert),         RG_KEY_U32,  "expert_count",                    "num_local_experts",       1, RG_EXPERTS_MAX, true},
    {AT(n_expert_used),    RG_KEY_U32,  "expert_used_count",               "num_experts_per_tok",     1, RG_EXPERTS_MAX, true},
    {AT(n_ff_expert),      RG_KEY_U32,  "expert_feed_forward_length",      "intermediate_size",       1, 1 << 22,  true},
    {AT(still_every),      RG_KEY_U32,  NULL,                              "no_rope_layer_interval",  1, 1u << 31, false},
    {AT(chunk),            RG_KEY_U32,  "attention.chunk_size",            "attention_chunk_size",    0, 1u << 31, false},
    {AT(temper_scale),     RG_KEY_F32,  NULL,                              "attn_scale",              0, 1e3,      false},
    {AT(temper_every),     RG_KEY_U32,  NULL,                              "floor_scale",             1, 1u << 31, false},
    {AT(is_tempered),      RG_KEY_BOOL, NULL,                              "attn_temperature_tuning", 0, 1,        false},
    {AT(norms_turned),     RG_KEY_BOOL, NULL,                              "use_qk_norm",             0, 1,        false},
};

static const rg_weight_rule weights[] = {
    RG_WEIGHTS_PLAIN,
    {RG_ROLE_FFN_GATE,    "blk.%u.ffn_gate.weight",       "model.layers.%u.feed_forward.gate_proj.weight",                "ff embd",      RG_IN_DENSE},
    {RG_ROLE_FFN_UP,      "blk.%u.ffn_up.weight",         "model.layers.%u.feed_forward.up_proj.weight",                  "ff embd",      RG_IN_DENSE},
    {RG_ROLE_FFN_DOWN,    "blk.%u.ffn_down.weight",       "model.layers.%u.feed_forward.down_proj.weight",                "embd ff",      RG_IN_DENSE},
    {RG_ROLE_ROUTER,      "blk.%u.ffn_gate_inp.weight",   "model.layers.%u.feed_forward.router.weight",                   "exp embd",     RG_IN_SPARSE},
    {RG_ROLE_EXPERT_GATE, "blk.%u.ffn_gate_exps.weight",  "model.layers.%u.feed_forward.experts.%e.gate_proj.weight",     "exp ffx embd", RG_IN_SPARSE},
    {RG_ROLE_EXPERT_UP,   "blk.%u.ffn_up_exps.weight",    "model.layers.%u.feed_forward.experts.%e.up_proj.weight",       "exp ffx embd", RG_IN_SPARSE},
    {RG_ROLE_EXPERT_DOWN, "blk.%u.ffn_down_exps.weight",  "model.layers.%u.feed_forward.experts.%e.down_proj.weight",     "exp embd ffx", RG_IN_SPARSE},
    {RG_ROLE_SHARED_GATE, "blk.%u.ffn_gate_shexp.weight", "model.layers.%u.feed_forward.shared_expert.gate_proj.weight",  "ffs embd",     RG_IN_SHARED},
    {RG_ROLE_SHARED_UP,   "blk.%u.ffn_up_shexp.weight",   "model.layers.%u.feed_forward.shared_expert.up_proj.weight",    "ffs embd",     RG_IN_SHARED},
    {RG_ROLE_SHARED_DOWN, "blk.%u.ffn_down_shexp.weight", "model.layers.%u.feed_forward.shared_expert.down_proj.weight",  "embd ffs",     RG_IN_SHARED},
};
// clang-format on

const rg_arch rg_arch_llama4 = {
    .name = "llama4",
    .hf_classes = hf_classes,
    .is_rope_neighbor = true,
    .weighs_inputs = true,
    .keys = keys,
    .n_keys = RG_N(keys),
    .weights = weights,
    .n_weights = RG_N(weights),
};
