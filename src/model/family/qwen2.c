/* Qwen2 and Qwen2.5, QwQ, what was distilled into them, and the words of Qwen2-VL and Qwen2.5-VL:
 * biases on q, k and v. */
#include "model/family/weights_decoder.h"

static const char *const hf_classes[] = {"Qwen2ForCausalLM", "Qwen2VLForConditionalGeneration",
                                         "Qwen2_5_VLForConditionalGeneration", NULL};

static const rg_weight_rule weights[] = {
    RG_WEIGHTS_DENSE,
    RG_WEIGHTS_QKV_BIAS(RG_NEEDED),
};

const rg_arch rg_arch_qwen2 = {
    .name = "qwen2",
    .hf_classes = hf_classes,
    .keys = rg_decoder_keys,
    .n_keys = RG_DENSE_KEYS,
    .weights = weights,
    .n_weights = RG_N(weights),
};
