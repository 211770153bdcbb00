/* Qwen3, dense, and the words of Qwen3-VL: no biases, each head of q and k normalized before rope,
 * head size apart from the hidden size. */
#include "model/family/weights_decoder.h"

static const char *const hf_classes[] = {"Qwen3ForCausalLM", "Qwen3VLForConditionalGeneration",
                                         NULL};

static const rg_weight_rule weights[] = {
    RG_WEIGHTS_DENSE,
    RG_WEIGHTS_QKV_BIAS(RG_OPTIONAL),
    RG_WEIGHTS_QK_NORM(RG_NEEDED),
};

const rg_arch rg_arch_qwen3 = {
    .name = "qwen3",
    .hf_classes = hf_classes,
    .keys = rg_decoder_keys,
    .n_keys = RG_DENSE_KEYS,
    .weights = weights,
    .n_weights = RG_N(weights),
};
