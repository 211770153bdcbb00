/* Shared by the files that load a model. */
#pragma once

#include "model/model.h"

/** A model being loaded. */
typedef struct rg_loader {
    rg_model *model;
    const rg_source *source;
    bool *is_used; // by tensor of the source
    size_t n_tensors;
    rg_error *err;
} rg_loader;

/** Tables for the weights of a model whose numbers are known. The caller frees is_used. */
rg_status rg_load_begin(rg_loader *l) RG_MUST_CHECK;
/** Every weight of the family's table, found, checked and where needed converted. */
rg_status rg_load_weights(rg_loader *l) RG_MUST_CHECK;
/** Rope frequencies as a weight of this role, which are in no file. */
rg_status rg_load_inv_freq(rg_loader *l, rg_role role, const rg_rope_params *rope) RG_MUST_CHECK;
/** Room for a weight's values in another type, in place of those of the file; the model's. */
rg_status rg_load_own(rg_loader *l, rg_tensor *weight, rg_dtype dtype, void **values) RG_MUST_CHECK;
/** A weight as f32: vectors (norms, biases) are multiplied and added as such. */
rg_status rg_load_widen(rg_loader *l, rg_tensor *weight) RG_MUST_CHECK;
/**
 * A weight of n matrices of FP8, which carry one factor for each block of rows and columns beside
 * them: as F8_32, the same numbers in little more room; as f32 where is_widened, and where the
 * blocks cut groups of 32 columns.
 */
rg_status rg_load_fp8(rg_loader *l, rg_tensor *weight, const rg_tensor *const *matrices, size_t n,
                      bool is_widened) RG_MUST_CHECK;
/** The tensors of a matrix of 4-bit integers, as compressed-tensors packs them. */
typedef struct rg_packed {
    const rg_tensor *words;  // I32 [rows, columns / 8], the lowest bits first
    const rg_tensor *scales; // [rows, columns / 32]
} rg_packed;

/** One such matrix as Q4_0, which holds the same numbers. Errors: RG_E_FORMAT (types and shapes
 * that do not fit; a scale that F16 cannot hold). */
rg_status rg_load_repack(rg_loader *l, const rg_packed *p, size_t rows, size_t columns,
                         void *out) RG_MUST_CHECK;
/**
 * One matrix of 4-bit floats as MXFP4, which holds the same numbers: words I8 or U8 [rows, columns
 * / 2], the even column in the low half of a byte; scales F8_E8M0 [rows, columns / 32]. Errors:
 * RG_E_FORMAT (types and shapes that do not fit; a factor that is no number).
 */
rg_status rg_load_repack_fp4(rg_loader *l, const rg_packed *p, size_t rows, size_t columns,
                             void *out) RG_MUST_CHECK;
/** A table of experts by token, I32 or I64, as I32. Errors: RG_E_FORMAT (an expert that there is
 * not), RG_E_UNSUPPORTED (another type). */
rg_status rg_load_table(rg_loader *l, rg_tensor *weight) RG_MUST_CHECK;
/** A norm whose checkpoint holds what is added to 1. */
rg_status rg_load_add_one(rg_loader *l, rg_tensor *weight) RG_MUST_CHECK;
/**
 * Matrices [n, m, k] from tensors that hold them turned, [n, k, width]: columns [from, from + m).
 * The type stays. Errors: RG_E_UNSUPPORTED for types of blocks.
 */
rg_status rg_load_turn(rg_loader *l, rg_tensor *weight, size_t from, size_t width) RG_MUST_CHECK;
/** Is a weight decided by small differences, or multiplied value by value? Then it is kept as f32.
 */
bool rg_load_is_widened(rg_role role);
/** Weights that are in no file, once all others are there. */
rg_status rg_load_make(rg_loader *l) RG_MUST_CHECK;
