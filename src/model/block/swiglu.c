#include "model/block/block.h"

rg_val rg_build_swiglu(rg_build *b, rg_val gate, rg_val up, float limit) {
    return limit > 0 ? rg_swiglu(b->g, rg_clamp(b->g, gate, limit, true),
                                 rg_clamp(b->g, up, limit, false))
                     : rg_swiglu(b->g, gate, up);
}

rg_val rg_block_swiglu(rg_build *b, uint32_t layer, rg_val x) {
    const rg_val gate = rg_build_linear(b, layer, x, RG_ROLE_FFN_GATE, RG_ROLE_FFN_GATE_BIAS);
    const rg_val up = rg_build_linear(b, layer, x, RG_ROLE_FFN_UP, RG_ROLE_FFN_UP_BIAS);
    const rg_val mix = rg_swiglu(b->g, gate, up);
    rg_build_tap(b, layer, RG_TAP_FFN_MIX, mix);
    return rg_build_linear(b, layer, mix, RG_ROLE_FFN_DOWN, RG_ROLE_FFN_DOWN_BIAS);
}
