/* Qwen3.5, 3.6 and 3.8 with experts. Text. */
#include "model/family/weights_decoder.h"

static const char *const hf_classes[] = {"Qwen3_5MoeForConditionalGeneration", "Qwen3_5MoeForCausalLM", NULL};

static const rg_weight_rule weights[] = {
    RG_WEIGHTS_HYBRID,
    RG_WEIGHTS_DELTA_SPLIT,
    RG_WEIGHTS_FFN,
    RG_WEIGHTS_EXPERTS,
    RG_WEIGHTS_SHARED_EXPERT,
};

const rg_arch rg_arch_qwen35_moe = {
    .name = "qwen35moe",
    .hf_classes = hf_classes,
    .renorms_experts = true,
    .renorms_experts_hf = true,
    .gates_attention = true,
    .norms_from_one = true,
    .tiles_heads_gguf = true,
    .keys = rg_hybrid_keys,
    .n_keys = RG_HYBRID_SPARSE_KEYS,
    .weights = weights,
    .n_weights = RG_N(weights),
    .mtp = rg_mtp_qwen,
    .mtp_layer = "mtp.layers.0.",
};
