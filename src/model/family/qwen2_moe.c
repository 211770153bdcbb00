/* Qwen2 with experts and one expert that all tokens go to: Qwen1.5-MoE-A2.7B, Qwen2-57B-A14B. */
#include "model/family/weights_decoder.h"

static const char *const hf_classes[] = {"Qwen2MoeForCausalLM", NULL};

static const rg_weight_rule weights[] = {
    RG_WEIGHTS_DENSE,
    RG_WEIGHTS_QKV_BIAS(RG_NEEDED),
    RG_WEIGHTS_EXPERTS,
    RG_WEIGHTS_SHARED_EXPERT,
};

const rg_arch rg_arch_qwen2_moe = {
    .name = "qwen2moe",
    .hf_classes = hf_classes,
    .keys = rg_decoder_keys,
    .n_keys = RG_SPARSE_KEYS,
    .weights = weights,
    .n_weights = RG_N(weights),
};
