/* Heads that predict a token further (multi-token prediction), without their block: it is one more layer in GGUF and in checkpoints of
 * DeepSeek, and has names of its own in those of Qwen. */
#include "model/arch.h"

#include <stddef.h>

const rg_weight_rule rg_mtp_deepseek[RG_MTP_WEIGHTS] = {
    {RG_ROLE_MTP_EMBED_NORM,  "blk.%u.nextn.enorm.weight",            "model.layers.%u.enorm.weight",            "embd",        RG_NEEDED},
    {RG_ROLE_MTP_HIDDEN_NORM, "blk.%u.nextn.hnorm.weight",            "model.layers.%u.hnorm.weight",            "embd",        RG_NEEDED},
    {RG_ROLE_MTP_PROJ,        "blk.%u.nextn.eh_proj.weight",          "model.layers.%u.eh_proj.weight",          "embd 2*embd", RG_NEEDED},
    {RG_ROLE_MTP_EMBED,       "blk.%u.nextn.embed_tokens.weight",     "model.layers.%u.embed_tokens.weight",     "vocab embd",  RG_OPTIONAL},
    {RG_ROLE_MTP_NORM,        "blk.%u.nextn.shared_head_norm.weight", "model.layers.%u.shared_head.norm.weight", "embd",        RG_OPTIONAL},
    {RG_ROLE_MTP_OUTPUT,      "blk.%u.nextn.shared_head_head.weight", "model.layers.%u.shared_head.head.weight", "vocab embd",  RG_OPTIONAL},
};

const rg_weight_rule rg_mtp_qwen[RG_MTP_WEIGHTS] = {
    {RG_ROLE_MTP_EMBED_NORM,  "blk.%u.nextn.enorm.weight",            "mtp.pre_fc_norm_embedding.weight",        "embd",        RG_NEEDED},
    {RG_ROLE_MTP_HIDDEN_NORM, "blk.%u.nextn.hnorm.weight",            "mtp.pre_fc_norm_hidden.weight",           "embd",        RG_NEEDED},
    {RG_ROLE_MTP_PROJ,        "blk.%u.nextn.eh_proj.weight",          "mtp.fc.weight",                           "embd 2*embd", RG_NEEDED},
    {RG_ROLE_MTP_EMBED,       "blk.%u.nextn.embed_tokens.weight",     NULL,                                      "vocab embd",  RG_OPTIONAL},
    {RG_ROLE_MTP_NORM,        "blk.%u.nextn.shared_head_norm.weight", "mtp.norm.weight",                         "embd",        RG_OPTIONAL},
    {RG_ROLE_MTP_OUTPUT,      "blk.%u.nextn.shared_head_head.weight", NULL,                                      "vocab embd",  RG_OPTIONAL},
};
