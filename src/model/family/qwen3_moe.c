/* Qwen3 with experts: 30B-A3B, 235B-A22B, Coder. */
#include "model/family/weights_decoder.h"

static const char *const hf_classes[] = {"Qwen3MoeForCausalLM", NULL};

static const rg_weight_rule weights[] = {
    RG_WEIGHTS_DENSE,
    RG_WEIGHTS_QKV_BIAS(RG_OPTIONAL),
    RG_WEIGHTS_QK_NORM(RG_NEEDED),
    RG_WEIGHTS_EXPERTS,
};

const rg_arch rg_arch_qwen3_moe = {
    .name = "qwen3moe",
    .hf_classes = hf_classes,
    .renorms_experts = true,
    .keys = rg_decoder_keys,
    .n_keys = RG_SPARSE_KEYS,
    .weights = weights,
    .n_weights = RG_N(weights),
};
