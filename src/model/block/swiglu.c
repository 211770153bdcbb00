#include "model/block/block.h"

rg_val rg_block_swiglu(rg_build *b, uint32_t layer, rg_val x) {
    const rg_val gate = rg_linear(b->g, x, rg_build_weight(b, RG_ROLE_FFN_GATE, layer),
                                  rg_build_weight(b, RG_ROLE_FFN_GATE_BIAS, layer));
    const rg_val up = rg_linear(b->g, x, rg_build_weight(b, RG_ROLE_FFN_UP, layer),
                                rg_build_weight(b, RG_ROLE_FFN_UP_BIAS, layer));
    return rg_linear(b->g, rg_swiglu(b->g, gate, up), rg_build_weight(b, RG_ROLE_FFN_DOWN, layer),
                     rg_build_weight(b, RG_ROLE_FFN_DOWN_BIAS, layer));
}
