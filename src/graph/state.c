#include "graph/state.h"

rg_compressed_place rg_kv_compressed(const rg_kv_layout *layout, uint32_t layer) {
    const rg_compressed_layout *c = &layout->compressed;
    const size_t size = rg_dtype_get(layout->dtype)->block_bytes;
    rg_compressed_place place = {.window =
                                     layout->n_recurrent * layout->recurrent_bytes / sizeof(float)};
    size_t page_end = 0, state_end = place.window;
    for (uint32_t i = 0; i <= layer; i++) {
        const uint32_t ratio = i < c->n_layer ? c->ratio[i] : 0;
        const bool has_index = ratio == RG_OVERLAPPING_RATIO;
        const size_t n_rows = ratio == 0                 ? 0
                              : ratio < layout->page_len ? layout->page_len / ratio
                                                         : 1;
        place.ring = has_index ? 2 * ratio : ratio;
        place.rows = page_end;
        place.keys = place.rows + n_rows * c->dim * size;
        page_end = place.keys + (has_index ? n_rows * c->index_dim * size : 0);
        // features: c and s, of which overlapping rows have two columns for each of a row
        const size_t width = has_index ? 4 : 2;
        place.window = state_end;
        place.features = place.window + (size_t)c->window * c->dim;
        place.key_features = place.features + place.ring * width * c->dim;
        state_end = place.key_features + (has_index ? place.ring * width * c->index_dim : 0);
    }
    return place;
}

size_t rg_kv_state_bytes(const rg_kv_layout *layout) {
    const uint32_t n = layout->compressed.n_layer;
    return n == 0 ? layout->n_recurrent * layout->recurrent_bytes
                  : rg_kv_compressed(layout, n).window * sizeof(float);
}
