/* Shared by the files that write a quantized model: quant_plan.c, quant_keys.c, quant_file.c. */
#pragma once

#include "format/gguf.h"
#include "format/hf_dir.h"
#include "lab/quant_file.h"

/** A tensor on its way. */
typedef struct rg_quant_item {
    rg_tensor from; // under its GGUF name
    rg_dtype to;
    uint32_t n_turns; // heads whose turning rows become neighbors; 0: rows stay in order
    const rg_imatrix_entry *importance; // NULL: columns are equal
} rg_quant_item;

typedef struct rg_quant_plan {
    const rg_mem *mem;
    const rg_source *source;
    const rg_quant_options *options;
    rg_quant_report *report;
    rg_model *model; // of a Hugging Face directory; NULL: a GGUF speaks for itself
    rg_arena arena;  // names, and tensors that no file holds
    rg_quant_item *items;
    size_t n_items;
} rg_quant_plan;

/** Tensors and their types. @param plan  cleared by rg_quant_plan_clear in any case */
rg_status rg_quant_plan_make(rg_quant_plan *plan, rg_error *err) RG_MUST_CHECK;
void rg_quant_plan_clear(rg_quant_plan *plan);

/** Metadata of the file: copied, or made of settings, tokenizer and template. */
rg_status rg_quant_put_keys(const rg_quant_plan *plan, rg_gguf_writer *w,
                            rg_error *err) RG_MUST_CHECK;
