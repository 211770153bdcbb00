/* Qwen3-Next and Qwen3-Coder-Next: three layers of the gated delta rule to one of gated attention, experts. */
#include "model/family/weights_decoder.h"

static const char *const hf_classes[] = {"Qwen3NextForCausalLM", NULL};

static const rg_weight_rule weights[] = {
    RG_WEIGHTS_HYBRID,
    RG_WEIGHTS_DELTA_BY_HEAD,
    RG_WEIGHTS_FFN,
    RG_WEIGHTS_EXPERTS,
    RG_WEIGHTS_SHARED_EXPERT,
};

const rg_arch rg_arch_qwen3_next = {
    .name = "qwen3next",
    .hf_classes = hf_classes,
    .renorms_experts = true,
    .renorms_experts_hf = true,
    .gates_attention = true,
    .norms_from_one = true,
    .keys = rg_hybrid_keys,
    .n_keys = RG_HYBRID_SPARSE_KEYS,
    .weights = weights,
    .n_weights = RG_N(weights),
    .mtp = rg_mtp_qwen,
    .mtp_layer = "mtp.layers.0.",
};
