/* LoRA adapters: PEFT's directory (adapter_config.json, adapter_model.safetensors) or a GGUF of
 * type "adapter", read onto the matrices of a model. */
#pragma once

#include "model/model.h"
#include "model/source.h"

#define RG_LORA_RANK_MAX      4096
#define RG_ADAPTER_CONFIG_MAX (1u << 20) // bytes of adapter_config.json

/** The highest rank of an addition to a matrix: more than both its dimensions adds nothing. */
static inline size_t rg_lora_rank_most(const rg_tensor *w) {
    const size_t dim = w->shape[0] > w->shape[1] ? w->shape[0] : w->shape[1];
    return dim < RG_LORA_RANK_MAX ? dim : RG_LORA_RANK_MAX;
}

/** Fields may be read. */
typedef struct rg_adapter {
    const rg_mem *mem;
    rg_lora *loras; // tensors point into the file, or into `owned`
    size_t n_loras;
    struct rg_safetensors *safetensors;
    struct rg_gguf *gguf;
    void **owned;
    size_t n_owned;
} rg_adapter;

/**
 * @param path   a PEFT directory, its adapter_model.safetensors, or a GGUF adapter
 * @param scale  multiplies the adapter's own scaling (alpha / r, or alpha / sqrt(r) with rsLoRA)
 * Errors: RG_E_NOT_FOUND; RG_E_FORMAT naming tensor or field (a matrix that the model lacks, shapes
 * that do not fit, values that are not finite, A without B); RG_E_UNSUPPORTED (DoRA, trained
 * biases, whole modules, rank patterns).
 */
rg_status rg_adapter_open(const rg_mem *mem, const char *path, const rg_model *model,
                          rg_source_kind kind, float scale, rg_adapter **out,
                          rg_error *err) RG_MUST_CHECK;
void rg_adapter_free(rg_adapter *adapter);

/** Can low-rank additions be made to a weight? To matrices that hidden values go through as they
 * are: not to convolutions, experts, or what attention absorbs. */
bool rg_adapter_takes(const rg_model *model, uint32_t slot);
/** Does an addition to a weight mean the same on a GGUF and on a Hugging Face directory of the
 * model, but for names and turned heads? */
bool rg_adapter_crosses(const rg_model *model, uint32_t slot);
/** The name of a matrix in a GGUF adapter, without ".lora_a"; false: it has none. */
bool rg_adapter_gguf_name(const rg_model *model, uint32_t slot, char *out, size_t size);
/** Heads of a rotated matrix whose rows GGUF files of this family have in another order than
 * Hugging Face's; 0: the order is the same. */
uint32_t rg_adapter_turned_heads(const rg_model *model, uint32_t slot);
/** Rows of such a matrix into the order of the other container. */
void rg_adapter_turn(void *to, const void *from, size_t n_rows, size_t row_bytes, uint32_t n_heads,
                     bool to_gguf);
/** The name of a matrix in a PEFT adapter, without ".lora_A.weight"; false: it has none. */
bool rg_adapter_module(const rg_model *model, uint32_t slot, char *out, size_t size);
