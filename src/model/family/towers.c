/* The parts of models that see: patches of pictures become tokens beside the words. */
#include "model/family/weights_decoder.h"

#include <stddef.h>

#define AT(field) offsetof(rg_hparams, field)

// clang-format off
static const rg_key_rule keys[] = {
    /* field               kind        GGUF  HF config.json                          least most      required */
    {AT(n_layer),          RG_KEY_U32, NULL, "vision_config.depth",                    1, RG_LAYERS_MAX, true},
    {AT(n_embd),           RG_KEY_U32, NULL, "vision_config.hidden_size",              1, 1 << 16,   true},
    {AT(n_head),           RG_KEY_U32, NULL, "vision_config.num_heads",                1, 1 << 10,   true},
    {AT(n_ff),             RG_KEY_U32, NULL, "vision_config.intermediate_size",        1, 1 << 18,   true},
    {AT(sight.n_channels), RG_KEY_U32, NULL, "vision_config.in_channels",              3, 3,         false},
    {AT(sight.patch),      RG_KEY_U32, NULL, "vision_config.patch_size",               1, 256,       true},
    {AT(sight.n_frames),   RG_KEY_U32, NULL, "vision_config.temporal_patch_size",      1, 8,         true},
    {AT(sight.merge),      RG_KEY_U32, NULL, "vision_config.spatial_merge_size",       1, 8,         true},
    {AT(sight.n_places),   RG_KEY_U32, NULL, "vision_config.num_position_embeddings",  1, 1 << 20,   false},
    {AT(sight.window),     RG_KEY_U32, NULL, "vision_config.window_size",              1, 1 << 16,   false},
    {AT(sight.n_out),      RG_KEY_U32, NULL, "vision_config.out_hidden_size",          1, 1 << 20,   true},
};

/* role                    GGUF  HF                                              shape         missing? */
#define BLOCKS \
    {RG_ROLE_ATTN_NORM,     NULL, "model.visual.blocks.%u.norm1.weight",          "embd",       RG_NEEDED}, \
    {RG_ROLE_ATTN_QKV,      NULL, "model.visual.blocks.%u.attn.qkv.weight",       "3*embd embd", RG_NEEDED}, \
    {RG_ROLE_ATTN_QKV_BIAS, NULL, "model.visual.blocks.%u.attn.qkv.bias",         "3*embd",     RG_NEEDED}, \
    {RG_ROLE_ATTN_O,        NULL, "model.visual.blocks.%u.attn.proj.weight",      "embd embd",  RG_NEEDED}, \
    {RG_ROLE_ATTN_O_BIAS,   NULL, "model.visual.blocks.%u.attn.proj.bias",        "embd",       RG_NEEDED}, \
    {RG_ROLE_FFN_NORM,      NULL, "model.visual.blocks.%u.norm2.weight",          "embd",       RG_NEEDED}, \
    {RG_ROLE_PATCH,         NULL, "model.visual.patch_embed.proj.weight",         "embd pix",   RG_NEEDED}

static const rg_weight_rule qwen25[] = {
    BLOCKS,
    {RG_ROLE_FFN_GATE,        NULL, "model.visual.blocks.%u.mlp.gate_proj.weight", "ff embd",   RG_NEEDED},
    {RG_ROLE_FFN_GATE_BIAS,   NULL, "model.visual.blocks.%u.mlp.gate_proj.bias",   "ff",        RG_NEEDED},
    {RG_ROLE_FFN_UP,          NULL, "model.visual.blocks.%u.mlp.up_proj.weight",   "ff embd",   RG_NEEDED},
    {RG_ROLE_FFN_UP_BIAS,     NULL, "model.visual.blocks.%u.mlp.up_proj.bias",     "ff",        RG_NEEDED},
    {RG_ROLE_FFN_DOWN,        NULL, "model.visual.blocks.%u.mlp.down_proj.weight", "embd ff",   RG_NEEDED},
    {RG_ROLE_FFN_DOWN_BIAS,   NULL, "model.visual.blocks.%u.mlp.down_proj.bias",   "embd",      RG_NEEDED},
    {RG_ROLE_MERGE_NORM,      NULL, "model.visual.merger.ln_q.weight",             "embd",      RG_NEEDED},
    {RG_ROLE_MERGE_UP,        NULL, "model.visual.merger.mlp.0.weight",            "cell cell", RG_NEEDED},
    {RG_ROLE_MERGE_UP_BIAS,   NULL, "model.visual.merger.mlp.0.bias",              "cell",      RG_NEEDED},
    {RG_ROLE_MERGE_DOWN,      NULL, "model.visual.merger.mlp.2.weight",            "sight cell", RG_NEEDED},
    {RG_ROLE_MERGE_DOWN_BIAS, NULL, "model.visual.merger.mlp.2.bias",              "sight",     RG_NEEDED},
};

static const rg_weight_rule qwen3[] = {
    BLOCKS,
    {RG_ROLE_PATCH_BIAS,      NULL, "model.visual.patch_embed.proj.bias",           "embd",       RG_NEEDED},
    {RG_ROLE_PLACES,          NULL, "model.visual.pos_embed.weight",                "place embd", RG_NEEDED},
    {RG_ROLE_ATTN_NORM_BIAS,  NULL, "model.visual.blocks.%u.norm1.bias",            "embd",       RG_NEEDED},
    {RG_ROLE_FFN_NORM_BIAS,   NULL, "model.visual.blocks.%u.norm2.bias",            "embd",       RG_NEEDED},
    {RG_ROLE_FFN_UP,          NULL, "model.visual.blocks.%u.mlp.linear_fc1.weight", "ff embd",    RG_NEEDED},
    {RG_ROLE_FFN_UP_BIAS,     NULL, "model.visual.blocks.%u.mlp.linear_fc1.bias",   "ff",         RG_NEEDED},
    {RG_ROLE_FFN_DOWN,        NULL, "model.visual.blocks.%u.mlp.linear_fc2.weight", "embd ff",    RG_NEEDED},
    {RG_ROLE_FFN_DOWN_BIAS,   NULL, "model.visual.blocks.%u.mlp.linear_fc2.bias",   "embd",       RG_NEEDED},
    {RG_ROLE_MERGE_NORM,      NULL, "model.visual.merger.norm.weight",              "embd",       RG_NEEDED},
    {RG_ROLE_MERGE_NORM_BIAS, NULL, "model.visual.merger.norm.bias",                "embd",       RG_NEEDED},
    {RG_ROLE_MERGE_UP,        NULL, "model.visual.merger.linear_fc1.weight",        "cell cell",  RG_NEEDED},
    {RG_ROLE_MERGE_UP_BIAS,   NULL, "model.visual.merger.linear_fc1.bias",          "cell",       RG_NEEDED},
    {RG_ROLE_MERGE_DOWN,      NULL, "model.visual.merger.linear_fc2.weight",        "sight cell", RG_NEEDED},
    {RG_ROLE_MERGE_DOWN_BIAS, NULL, "model.visual.merger.linear_fc2.bias",          "sight",      RG_NEEDED},
    {RG_ROLE_DEEP_NORM,       NULL, "model.visual.deepstack_merger_list.%u.norm.weight",       "cell",       RG_IN_DEEP},
    {RG_ROLE_DEEP_NORM_BIAS,  NULL, "model.visual.deepstack_merger_list.%u.norm.bias",         "cell",       RG_IN_DEEP},
    {RG_ROLE_DEEP_UP,         NULL, "model.visual.deepstack_merger_list.%u.linear_fc1.weight", "cell cell",  RG_IN_DEEP},
    {RG_ROLE_DEEP_UP_BIAS,    NULL, "model.visual.deepstack_merger_list.%u.linear_fc1.bias",   "cell",       RG_IN_DEEP},
    {RG_ROLE_DEEP_DOWN,       NULL, "model.visual.deepstack_merger_list.%u.linear_fc2.weight", "sight cell", RG_IN_DEEP},
    {RG_ROLE_DEEP_DOWN_BIAS,  NULL, "model.visual.deepstack_merger_list.%u.linear_fc2.bias",   "sight",      RG_IN_DEEP},
};
// clang-format on

static const char *const qwen25_classes[] = {"Qwen2_5_VLForConditionalGeneration", NULL};
static const char *const qwen3_classes[] = {"Qwen3VLForConditionalGeneration", NULL};
static const char *const qwen35_classes[] = {"Qwen3_5ForConditionalGeneration",
                                             "Qwen3_5MoeForConditionalGeneration", NULL};

// windows of some layers, RMS norms, a gated feed-forward part
static const rg_arch tower_qwen25 = {
    .name = "qwen2.5-vl",
    .hf_classes = qwen25_classes,
    .keys = keys,
    .n_keys = RG_N(keys),
    .weights = qwen25,
    .n_weights = RG_N(qwen25),
};

// a table of places, layer norms, gelu, values that go into layers of words
static const rg_arch tower_qwen3 = {
    .name = "qwen3-vl",
    .hf_classes = qwen3_classes,
    .keys = keys,
    .n_keys = RG_N(keys),
    .weights = qwen3,
    .n_weights = RG_N(qwen3),
};

// the same, without values for layers of words
static const rg_arch tower_qwen35 = {
    .name = "qwen3.5",
    .hf_classes = qwen35_classes,
    .is_unproven = true,
    .keys = keys,
    .n_keys = RG_N(keys),
    .weights = qwen3,
    .n_weights = RG_N(qwen3),
};

const rg_arch *const rg_towers[] = {&tower_qwen25, &tower_qwen3, &tower_qwen35, NULL};

const rg_arch *rg_tower_find(rg_str class_name) {
    for (size_t i = 0; rg_towers[i] != NULL; i++) {
        for (const char *const *c = rg_towers[i]->hf_classes; *c != NULL; c++) {
            if (rg_str_is(class_name, *c)) {
                return rg_towers[i];
            }
        }
    }
    return NULL;
}
