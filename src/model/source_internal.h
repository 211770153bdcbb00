/* Shared by source.c and quantize.c. */
#pragma once

#include "format/gguf.h"
#include "format/hf_dir.h"
#include "model/source.h"

struct rg_source {
    const rg_mem *mem;
    rg_gguf *gguf; // one of the two
    rg_hf_dir *hf;
    rg_gguf *quantized; // matrices that stand in for those of hf; NULL: none
    char path[4096];
};
