/* Llama 2, 3, 3.1, 3.2 (text), 3.3, Mistral with its sliding window, and the many fine-tunes of
 * both. */
#include "model/family/weights_decoder.h"

static const char *const hf_classes[] = {"LlamaForCausalLM", "MistralForCausalLM", NULL};

static const rg_weight_rule weights[] = {
    RG_WEIGHTS_DENSE,
    RG_WEIGHTS_QKV_BIAS(RG_OPTIONAL),
    RG_WEIGHTS_FFN_BIAS,
};

const rg_arch rg_arch_llama = {
    .name = "llama",
    .hf_classes = hf_classes,
    .reorders_gguf = true,
    .uses_window = true,
    .keys = rg_decoder_keys,
    .n_keys = RG_DENSE_KEYS,
    .weights = weights,
    .n_weights = RG_N(weights),
};
