/* Qwen3.5, 3.6 and 3.8, dense: three layers of the gated delta rule to one of gated attention. Text. */
#include "model/family/weights_decoder.h"

static const char *const hf_classes[] = {"Qwen3_5ForConditionalGeneration", "Qwen3_5ForCausalLM", NULL};

static const rg_weight_rule weights[] = {
    RG_WEIGHTS_HYBRID,
    RG_WEIGHTS_DELTA_SPLIT,
    RG_WEIGHTS_FFN,
};

const rg_arch rg_arch_qwen35 = {
    .name = "qwen35",
    .hf_classes = hf_classes,
    .renorms_experts = true,
    .gates_attention = true,
    .norms_from_one = true,
    .tiles_heads_gguf = true,
    .keys = rg_hybrid_keys,
    .n_keys = RG_HYBRID_KEYS,
    .weights = weights,
    .n_weights = RG_N(weights),
    .mtp = rg_mtp_qwen,
    .mtp_layer = "mtp.layers.0.",
};
