/*
 * Mixes: which tensor of a file becomes which type. A mix has a name ("q4_k_m"), a type for most
 * matrices, and rules for those that suffer more. Laid out as llama.cpp lays them out, so that
 * files of one name have one size.
 */
#pragma once

#include "tensor/tensor.h"

/** A mix, by its row. */
typedef struct rg_mix {
    const char *name;   // as users write it, without case
    uint32_t file_type; // "general.file_type"
    rg_dtype dtype;     // of most matrices
} rg_mix;

/** The mix of a name in any case; NULL: none. */
const rg_mix *rg_mix_find(rg_str name);
/** Row i of the table; NULL past its end. */
const rg_mix *rg_mix_at(size_t i);

/** What rules ask of a model. */
typedef struct rg_mix_model {
    rg_str family; // "general.architecture"
    uint32_t n_layer;
    uint32_t n_head;
    uint32_t n_kv_head;
    uint32_t n_expert;    // 0: dense
    bool has_output;      // else the embedding is the head as well
    bool has_importance;  // the whole file is quantized by an importance matrix
    rg_dtype output_type; // asked for by name; RG_DTYPE_COUNT: not
    rg_dtype embed_type;
} rg_mix_model;

/** Whether a tensor is quantized at all: a matrix that is no norm, router or convolution. */
bool rg_mix_applies(const rg_tensor *tensor);

/** The type that a mix gives to a tensor to which it applies, whatever its row length is. */
rg_dtype rg_mix_type(const rg_mix *mix, const rg_mix_model *model, const rg_tensor *tensor);

/** The type that stands in for one whose blocks do not divide a row of n values; the type itself
 * where they do. */
rg_dtype rg_mix_fitting(rg_dtype dtype, size_t n);
