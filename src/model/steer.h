/* Control vectors: directions that are added to the residual of a model while it runs, in
 * llama.cpp's layout: a GGUF of architecture "controlvector" with f32 tensors direction.N [n_embd],
 * N the layer after which it is added, counted from 0. Layer 0 has none in this layout. */
#pragma once

#include "model/model.h"

/** What is added after each layer: the sum of scale * direction over all files. */
typedef struct rg_steer {
    const rg_mem *mem;
    const rg_model *model;
    rg_tensor *layers; // [n_layer], for rg_graph_extras; data NULL: nothing is added
    float *values;     // [n_layer][n_embd]
} rg_steer;

/** @param model  borrowed for the life of the steering. Errors: RG_E_MEMORY. */
rg_status rg_steer_new(const rg_mem *mem, const rg_model *model, rg_steer **out,
                       rg_error *err) RG_MUST_CHECK;
void rg_steer_free(rg_steer *steer);

/**
 * Add scale times the directions of a file.
 * @param layers  n_layers of them: others are left out; n_layers 0: none is
 * Errors: RG_E_FORMAT naming tensor and value (no control vector, another width, a layer that the
 * model lacks, values that are not finite); RG_E_ARG (a scale that is not finite, no direction in
 * the layers asked for). On failure nothing is added.
 */
rg_status rg_steer_add(rg_steer *steer, const char *path, float scale, const uint32_t *layers,
                       size_t n_layers, rg_error *err) RG_MUST_CHECK;
