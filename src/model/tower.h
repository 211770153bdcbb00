/*
 * The part of a model that sees. A tower is a model of its own, with its own numbers and weights;
 * its graph turns the patches of one picture into tokens for the words beside it.
 *
 * Patches come in the order of image processors: those of one cell, merge x merge of them, follow
 * each other, cells go row by row, frame by frame.
 */
#pragma once

#include "model/model.h"

#define RG_PATCHES_MAX ((size_t)1 << 16) // of one picture

/**
 * The tower of a model, where its files have one that is supported.
 * @param source  as in rg_model_load
 * @param words   the model that it belongs to
 * @param out     NULL: the model does not see, or not in a way that is supported
 * Errors: RG_E_FORMAT naming key or tensor, RG_E_MEMORY.
 */
rg_status rg_tower_load(const rg_mem *mem, const rg_source *source, const rg_model *words,
                        rg_model **out, rg_error *err) RG_MUST_CHECK;

/** Has the container tensors of a part that sees, of whatever kind? */
bool rg_tower_is_there(const rg_source *source);

/** What the words of a model get for each token of a picture: hidden values, once for the embedding
 * and once for each of its first layers that takes more. */
static inline uint32_t rg_tower_levels(const rg_model *tower) {
    return 1 + tower->h.sight.n_deep;
}

/** Inputs of a tower's graph, by slot. Which of them a tower reads is its own affair. */
enum {
    RG_TOWER_PATCHES,     // f32 [n_patches, n_pixel]
    RG_TOWER_AXES,        // i32 [n_patches, 2]: row and column
    RG_TOWER_FRAMES,      // i32 [n_patches]: numbered within the frame
    RG_TOWER_WINDOWS,     // i32 [n_patches]: numbered within the window
    RG_TOWER_ORDER,       // i32 [n_patches]: patches by window
    RG_TOWER_BACK,        // i32 [n_cells]: where each cell went by that order
    RG_TOWER_CORNERS,     // four of i32 [n_patches]: rows of the table of places around a patch
    RG_TOWER_SHARES = 10, // four of f32 [n_patches, 1]: how much each counts
    RG_TOWER_INPUTS = 14
};

/** The inputs of one picture. */
typedef struct rg_tower_inputs {
    const rg_mem *mem;
    size_t n_patches;
    size_t n_cells;
    void *owned;
    const void *slots[RG_TOWER_INPUTS]; // PATCHES: the caller's
} rg_tower_inputs;

/**
 * The inputs of a picture of grid[0] frames of grid[1] rows of grid[2] patches.
 * @param patches  f32 [n_patches][n_pixel], borrowed
 * Errors: RG_E_ARG (a grid that is empty or does not divide into cells), RG_E_LIMIT, RG_E_MEMORY.
 */
rg_status rg_tower_inputs_make(const rg_mem *mem, const rg_model *tower, const uint32_t grid[3],
                               const float *patches, rg_tower_inputs *out,
                               rg_error *err) RG_MUST_CHECK;
void rg_tower_inputs_clear(rg_tower_inputs *inputs);

/**
 * The graph of one picture: [n_cells, levels * n_out], the hidden values of the tokens.
 * Errors: kept in the graph.
 * Source: Qwen2.5-VL 2025, arXiv 2502.13923; Qwen3-VL 2025, arXiv 2511.21631.
 */
rg_val rg_tower_graph(const rg_model *tower, rg_graph *g, size_t n_patches);
