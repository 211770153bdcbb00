#include "lab/quant_mix.h"

#include <ctype.h>
#include <stdlib.h>

enum { MANY_LAYERS = 80, MANY_EXPERTS = 8, WIDE_GROUP = 4 };

typedef enum mix_id {
    F32,
    F16,
    BF16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q2_K,
    Q2_K_S,
    Q3_K_S,
    Q3_K_M,
    Q3_K_L,
    Q4_K_S,
    Q4_K_M,
    Q5_K_S,
    Q5_K_M,
    Q6_K,
    IQ4_NL,
    IQ4_XS,
    MXFP4,
    N_MIXES
} mix_id;

// clang-format off
static const rg_mix mixes[N_MIXES] = {
    [F32]    = {"f32",     0, RG_DTYPE_F32},
    [F16]    = {"f16",     1, RG_DTYPE_F16},
    [BF16]   = {"bf16",   32, RG_DTYPE_BF16},
    [Q8_0]   = {"q8_0",    7, RG_DTYPE_Q8_0},
    [Q4_0]   = {"q4_0",    2, RG_DTYPE_Q4_0},
    [Q4_1]   = {"q4_1",    3, RG_DTYPE_Q4_1},
    [Q5_0]   = {"q5_0",    8, RG_DTYPE_Q5_0},
    [Q5_1]   = {"q5_1",    9, RG_DTYPE_Q5_1},
    [Q2_K]   = {"q2_k",   10, RG_DTYPE_Q2_K},
    [Q2_K_S] = {"q2_k_s", 21, RG_DTYPE_Q2_K},
    [Q3_K_S] = {"q3_k_s", 11, RG_DTYPE_Q3_K},
    [Q3_K_M] = {"q3_k_m", 12, RG_DTYPE_Q3_K},
    [Q3_K_L] = {"q3_k_l", 13, RG_DTYPE_Q3_K},
    [Q4_K_S] = {"q4_k_s", 14, RG_DTYPE_Q4_K},
    [Q4_K_M] = {"q4_k_m", 15, RG_DTYPE_Q4_K},
    [Q5_K_S] = {"q5_k_s", 16, RG_DTYPE_Q5_K},
    [Q5_K_M] = {"q5_k_m", 17, RG_DTYPE_Q5_K},
    [Q6_K]   = {"q6_k",   18, RG_DTYPE_Q6_K},
    [IQ4_NL] = {"iq4_nl", 25, RG_DTYPE_IQ4_NL},
    [IQ4_XS] = {"iq4_xs", 30, RG_DTYPE_IQ4_XS},
    [MXFP4]  = {"mxfp4",  38, RG_DTYPE_MXFP4},
};

// short names that mean the middle mix
static const struct {
    const char *name;
    mix_id mix;
} also[] = {{"q3_k", Q3_K_M}, {"q4_k", Q4_K_M}, {"q5_k", Q5_K_M}};

typedef enum mix_part { OUTPUT, EMBED, ATTN_K, ATTN_V, ATTN_OUT, FFN_DOWN, OTHER } mix_part;

static const struct {
    const char *end; // of a tensor's name
    mix_part part;
} parts[] = {
    {"per_layer_token_embd.weight", EMBED},
    {"token_embd.weight",  EMBED},
    {"attn_v.weight",      ATTN_V},
    {"attn_qkv.weight",    ATTN_V},
    {"attn_kv_b.weight",   ATTN_V},
    {"attn_k.weight",      ATTN_K},
    {"attn_output.weight", ATTN_OUT},
    {"ffn_down.weight",    FFN_DOWN},
    {"ffn_down_exps.weight", FFN_DOWN},
    {"ffn_down_shexp.weight", FFN_DOWN},
};

typedef enum mix_where {
    ANYWHERE,
    LAYERS_0_1,
    LAYERS_0_3,
    FIRST_16TH,       // of the layers
    FIRST_8TH,
    FIRST_8TH_BLIND,  // without an importance matrix
    FIRST_8TH_AWARE,  // with one
    ENDS_AND_THIRDS,  // the first and last eighth, and each third layer between
    SHARED_BY_4,      // at least four query heads share a key head
    WITH_8_EXPERTS,
    WITHOUT_8_EXPERTS,
} mix_where;

// the first row that fits decides
static const struct {
    mix_id mix;
    mix_part part;
    mix_where where;
    rg_dtype dtype;
} rules[] = {
    {Q2_K,   ATTN_V,   SHARED_BY_4,       RG_DTYPE_Q4_K},
    {Q2_K,   ATTN_V,   ANYWHERE,          RG_DTYPE_Q3_K},
    {Q2_K,   FFN_DOWN, ANYWHERE,          RG_DTYPE_Q3_K},
    {Q2_K,   ATTN_OUT, WITH_8_EXPERTS,    RG_DTYPE_Q5_K},
    {Q2_K,   ATTN_OUT, WITHOUT_8_EXPERTS, RG_DTYPE_Q3_K},
    {Q2_K_S, ATTN_V,   SHARED_BY_4,       RG_DTYPE_Q4_K},
    {Q2_K_S, FFN_DOWN, FIRST_8TH,         RG_DTYPE_Q4_K},
    {Q3_K_S, ATTN_OUT, WITH_8_EXPERTS,    RG_DTYPE_Q5_K},
    {Q3_K_M, ATTN_V,   LAYERS_0_1,        RG_DTYPE_Q5_K},
    {Q3_K_M, ATTN_V,   ANYWHERE,          RG_DTYPE_Q4_K},
    {Q3_K_M, FFN_DOWN, FIRST_16TH,        RG_DTYPE_Q5_K},
    {Q3_K_M, FFN_DOWN, ANYWHERE,          RG_DTYPE_Q4_K},
    {Q3_K_M, ATTN_OUT, WITH_8_EXPERTS,    RG_DTYPE_Q5_K},
    {Q3_K_M, ATTN_OUT, WITHOUT_8_EXPERTS, RG_DTYPE_Q4_K},
    {Q3_K_L, ATTN_V,   ANYWHERE,          RG_DTYPE_Q5_K},
    {Q3_K_L, FFN_DOWN, ANYWHERE,          RG_DTYPE_Q5_K},
    {Q3_K_L, ATTN_OUT, WITHOUT_8_EXPERTS, RG_DTYPE_Q5_K},
    {Q4_K_S, ATTN_V,   LAYERS_0_3,        RG_DTYPE_Q5_K},
    {Q4_K_S, FFN_DOWN, FIRST_8TH,         RG_DTYPE_Q5_K},
    {Q4_K_S, ATTN_OUT, WITH_8_EXPERTS,    RG_DTYPE_Q5_K},
    {Q4_K_M, ATTN_V,   ENDS_AND_THIRDS,   RG_DTYPE_Q6_K},
    {Q4_K_M, FFN_DOWN, ENDS_AND_THIRDS,   RG_DTYPE_Q6_K},
    {Q4_K_M, ATTN_OUT, WITH_8_EXPERTS,    RG_DTYPE_Q5_K},
    {Q5_K_M, ATTN_V,   ENDS_AND_THIRDS,   RG_DTYPE_Q6_K},
    {Q5_K_M, FFN_DOWN, ENDS_AND_THIRDS,   RG_DTYPE_Q6_K},
    {IQ4_NL, ATTN_V,   SHARED_BY_4,       RG_DTYPE_Q5_K},
    {IQ4_NL, FFN_DOWN, FIRST_8TH_BLIND,   RG_DTYPE_Q5_K},
    {IQ4_NL, ATTN_OUT, WITH_8_EXPERTS,    RG_DTYPE_Q5_K},
    {IQ4_XS, ATTN_V,   SHARED_BY_4,       RG_DTYPE_Q5_K},
    {IQ4_XS, FFN_DOWN, FIRST_8TH_BLIND,   RG_DTYPE_Q5_K},
    {IQ4_XS, ATTN_OUT, WITH_8_EXPERTS,    RG_DTYPE_Q5_K},
    {Q4_0,   FFN_DOWN, FIRST_8TH_AWARE,   RG_DTYPE_Q4_1},
    {Q5_0,   FFN_DOWN, FIRST_8TH_AWARE,   RG_DTYPE_Q5_1},
    // a dense model has no experts, which this type is made for: its matrices get it
    {MXFP4,  EMBED,    ANYWHERE,          RG_DTYPE_Q8_0},
};

static const struct {
    rg_dtype from;
    rg_dtype to;
} stand_ins[] = {
    {RG_DTYPE_Q2_K, RG_DTYPE_Q4_0}, {RG_DTYPE_Q3_K, RG_DTYPE_Q4_0},     {RG_DTYPE_Q4_K, RG_DTYPE_Q5_0},
    {RG_DTYPE_Q5_K, RG_DTYPE_Q5_1}, {RG_DTYPE_IQ4_XS, RG_DTYPE_IQ4_NL}, {RG_DTYPE_Q6_K, RG_DTYPE_Q8_0},
};

// matrices by shape that are none by use, or too small to gain from it
static const char *const kept[] = {"_norm.weight", "ffn_gate_inp.weight", "ffn_gate_inp_shexp.weight", "position_embd.weight",
                                   "token_types.weight", "ssm_conv1d.weight", "shortconv.conv.weight", "hc_attn_fn.weight",
                                   "hc_ffn_fn.weight", "output_hc_fn.weight", "_compressor_ape.weight", "ffn_gate_tid2eid.weight"};
// clang-format on

static bool is_same(rg_str a, const char *b) {
    size_t i = 0;
    while (i < a.size && b[i] != '\0' && tolower((unsigned char)a.data[i]) == b[i]) {
        i++;
    }
    return i == a.size && b[i] == '\0';
}

const rg_mix *rg_mix_find(rg_str name) {
    for (size_t i = 0; i < N_MIXES; i++) {
        if (is_same(name, mixes[i].name)) {
            return &mixes[i];
        }
    }
    for (size_t i = 0; i < sizeof also / sizeof *also; i++) {
        if (is_same(name, also[i].name)) {
            return &mixes[also[i].mix];
        }
    }
    return NULL;
}

const rg_mix *rg_mix_at(size_t i) {
    return i < N_MIXES ? &mixes[i] : NULL;
}

bool rg_mix_applies(const rg_tensor *tensor) {
    uint32_t n_dims = tensor->n_dims;
    for (uint32_t d = 0; d < tensor->n_dims && tensor->shape[d] == 1 && n_dims > 1; d++) {
        n_dims--; // leading dimensions of one value are none
    }
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (rg_str_ends(tensor->name, rg_str_of(kept[i]))) {
            return false;
        }
    }
    return n_dims >= 2 && rg_str_ends(tensor->name, RG_STR("weight"));
}

static mix_part part_of(const rg_mix_model *model, rg_str name) {
    if (rg_str_is(name, "output.weight")) {
        return OUTPUT;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (rg_str_ends(name, rg_str_of(parts[i].end))) {
            const bool is_head = !model->has_output && rg_str_is(name, "token_embd.weight");
            return is_head ? OUTPUT : parts[i].part;
        }
    }
    return OTHER;
}

// "blk.12.": 12; 0 for what is no layer's
static uint32_t layer_of(rg_str name) {
    uint32_t layer = 0;
    if (!rg_str_starts(name, RG_STR("blk."))) {
        return 0;
    }
    for (size_t i = 4; i < name.size && isdigit((unsigned char)name.data[i]) && layer < 1 << 20;
         i++) {
        layer = 10 * layer + (uint32_t)(name.data[i] - '0');
    }
    return layer;
}

static bool is_there(mix_where where, const rg_mix_model *m, uint32_t layer) {
    const uint32_t eighth = m->n_layer / 8;
    switch (where) {
    case ANYWHERE:
        return true;
    case LAYERS_0_1:
        return layer < 2;
    case LAYERS_0_3:
        return layer < 4;
    case FIRST_16TH:
        return layer < m->n_layer / 16;
    case FIRST_8TH:
        return layer < eighth;
    case FIRST_8TH_BLIND:
        return layer < eighth && !m->has_importance;
    case FIRST_8TH_AWARE:
        return layer < eighth && m->has_importance;
    case ENDS_AND_THIRDS:
        return layer < eighth || layer >= 7 * m->n_layer / 8 || (layer - eighth) % 3 == 2;
    case SHARED_BY_4:
        return m->n_kv_head != 0 && m->n_head / m->n_kv_head >= WIDE_GROUP;
    case WITH_8_EXPERTS:
        return m->n_expert == MANY_EXPERTS;
    case WITHOUT_8_EXPERTS:
        return m->n_expert != MANY_EXPERTS;
    }
    return false;
}

// the head, or the embedding that stands for it
static rg_dtype head_type(const rg_mix *mix, size_t row) {
    if (mix == &mixes[MXFP4] || row % rg_dtype_get(mix->dtype)->block != 0 ||
        mix->dtype == RG_DTYPE_Q8_0) {
        return RG_DTYPE_Q8_0;
    }
    return RG_DTYPE_Q6_K;
}

rg_dtype rg_mix_type(const rg_mix *mix, const rg_mix_model *model, const rg_tensor *tensor) {
    const mix_part part = part_of(model, tensor->name);
    const uint32_t layer = layer_of(tensor->name);
    const rg_dtype asked = part == OUTPUT && model->output_type != RG_DTYPE_COUNT
                               ? model->output_type
                           : rg_str_is(tensor->name, "token_embd.weight") ? model->embed_type
                                                                          : RG_DTYPE_COUNT;
    if (asked != RG_DTYPE_COUNT) {
        return asked;
    }
    if (rg_dtype_get(mix->dtype)->block == 1) {
        return mix->dtype;
    }
    if (part == OUTPUT) {
        return head_type(mix, tensor->shape[tensor->n_dims - 1]);
    }
    if (mix == &mixes[MXFP4] && model->n_expert != 0) {
        return tensor->n_dims > 2 ? RG_DTYPE_MXFP4 : RG_DTYPE_Q8_0;
    }
    if (model->n_expert == MANY_EXPERTS && (part == ATTN_V || part == ATTN_K)) {
        return RG_DTYPE_Q8_0;
    }
    rg_dtype dtype = mix->dtype;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (&mixes[rules[i].mix] == mix && rules[i].part == part &&
            is_there(rules[i].where, model, layer)) {
            dtype = rules[i].dtype;
            break;
        }
    }
    // so many query heads share a key head in these models that its bits cost nothing
    const bool is_deep = model->n_layer == MANY_LAYERS && model->n_head != model->n_kv_head &&
                         (rg_str_is(model->family, "llama") || rg_str_is(model->family, "qwen2"));
    if (part == ATTN_V && is_deep && (dtype == RG_DTYPE_Q3_K || dtype == RG_DTYPE_Q4_K)) {
        dtype = RG_DTYPE_Q5_K;
    }
    return dtype;
}

rg_dtype rg_mix_fitting(rg_dtype dtype, size_t n) {
    if (n % rg_dtype_get(dtype)->block == 0) {
        return dtype;
    }
    for (size_t i = 0; i < sizeof stand_ins / sizeof *stand_ins; i++) {
        if (stand_ins[i].from == dtype && n % rg_dtype_get(stand_ins[i].to)->block == 0) {
            return stand_ins[i].to;
        }
    }
    return RG_DTYPE_F16;
}
