/*
 * muon.h: an update for the matrices inside layers: momentum, made orthogonal. A step then moves
 * every direction of a matrix by as much, where AdamW moves a few of them most: small models learn
 * from about half as many tokens. Embeddings, the output matrix and vectors stay with AdamW.
 */
#pragma once

#include "kernel/kernels.h"

typedef struct rg_muon {
    float lr;
    float momentum;
    float decay;      // decoupled, multiplied by lr
    float grad_scale; // multiplies every gradient first (clipping)
} rg_muon;

/** Bytes of scratch that the update of a matrix needs, a multiple of 64; SIZE_MAX: too many. */
size_t rg_muon_scratch_bytes(size_t rows, size_t columns);

/**
 * One step: m = momentum m + (1 - momentum) g, u = momentum m + (1 - momentum) g, o = u made
 * orthogonal by five steps of Newton and Schulz (X <- a X + b XX^T X + c (XX^T)^2 X with singular
 * values brought near 1), w = (1 - lr decay) w - 0.2 lr sqrt(max(rows, columns)) o: the size of an
 * update of AdamW, so that one rate serves both.
 *
 * Shapes:  w, m, g [rows, columns] f32, row-major. A matrix of zeros is left as it is.
 * Scratch: rg_muon_scratch_bytes, aligned to 64.
 * Exact:   as exact as the products; the iteration needs no more than bf16.
 * Source:  Jordan et al. 2024, Muon: an optimizer for hidden layers in neural networks; the scale
 *          is that of Liu et al. 2025, arXiv 2502.16982.
 */
void rg_muon_update(rg_gemm_fn *gemm, float *w, float *m, const float *g, size_t rows,
                    size_t columns, const rg_muon *o, void *scratch);
