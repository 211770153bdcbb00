/*
 * tensor/ knows element types and blocks: how many values, how many bytes, how to get floats out
 * and in. It relies on base/. Speed lives in kernel/; the codecs here are the oracle.
 *
 * dtype.h: the one table of tensor types.
 */
#pragma once

#include "base/status.h"
#include "base/view.h"

// name as files write it, GGUF id (-1: none), values per block, bytes per block.
// F8_32 is in no file: an f32 factor, then 32 E4M3, of weights that have factors beside them.
// clang-format off
#define RG_DTYPE_LIST(X)                \
    X(F32,      "F32",      0,   1,   4)  \
    X(F16,      "F16",      1,   1,   2)  \
    X(BF16,     "BF16",    30,   1,   2)  \
    X(F64,      "F64",     28,   1,   8)  \
    X(I8,       "I8",      24,   1,   1)  \
    X(I16,      "I16",     25,   1,   2)  \
    X(I32,      "I32",     26,   1,   4)  \
    X(I64,      "I64",     27,   1,   8)  \
    X(U8,       "U8",      -1,   1,   1)  \
    X(BOOL,     "BOOL",    -1,   1,   1)  \
    X(F8_E4M3,  "F8_E4M3", -1,   1,   1)  \
    X(F8_E5M2,  "F8_E5M2", -1,   1,   1)  \
    X(F8_E8M0,  "F8_E8M0", -1,   1,   1)  \
    X(F8_32,    "F8_32",   -1,  32,  36)  \
    X(Q4_0,     "Q4_0",     2,  32,  18)  \
    X(Q4_1,     "Q4_1",     3,  32,  20)  \
    X(Q5_0,     "Q5_0",     6,  32,  22)  \
    X(Q5_1,     "Q5_1",     7,  32,  24)  \
    X(Q8_0,     "Q8_0",     8,  32,  34)  \
    X(Q2_K,     "Q2_K",    10, 256,  84)  \
    X(Q3_K,     "Q3_K",    11, 256, 110)  \
    X(Q4_K,     "Q4_K",    12, 256, 144)  \
    X(Q5_K,     "Q5_K",    13, 256, 176)  \
    X(Q6_K,     "Q6_K",    14, 256, 210)  \
    X(IQ2_XXS,  "IQ2_XXS", 16, 256,  66)  \
    X(IQ2_XS,   "IQ2_XS",  17, 256,  74)  \
    X(IQ3_XXS,  "IQ3_XXS", 18, 256,  98)  \
    X(IQ1_S,    "IQ1_S",   19, 256,  50)  \
    X(IQ4_NL,   "IQ4_NL",  20,  32,  18)  \
    X(IQ3_S,    "IQ3_S",   21, 256, 110)  \
    X(IQ2_S,    "IQ2_S",   22, 256,  82)  \
    X(IQ4_XS,   "IQ4_XS",  23, 256, 136)  \
    X(IQ1_M,    "IQ1_M",   29, 256,  56)  \
    X(TQ1_0,    "TQ1_0",   34, 256,  54)  \
    X(TQ2_0,    "TQ2_0",   35, 256,  66)  \
    X(MXFP4,    "MXFP4",   39,  32,  17)  \
    X(NVFP4,    "NVFP4",   40,  64,  36)  \
    X(Q1_0,     "Q1_0",    41, 128,  18)  \
    X(Q2_0,     "Q2_0",    42,  64,  18)
// clang-format on

typedef enum rg_dtype {
#define RG_DTYPE_ENUM(id, name, gguf, block, bytes) RG_DTYPE_##id,
    RG_DTYPE_LIST(RG_DTYPE_ENUM)
#undef RG_DTYPE_ENUM
        RG_DTYPE_COUNT
} rg_dtype;

/** n values (a multiple of the block) from blocks at src, any alignment, to f32. */
typedef void rg_to_float_fn(float *dst, const void *src, size_t n);
/** n finite f32 values to blocks. */
typedef void rg_from_float_fn(void *dst, const float *src, size_t n);
/**
 * The same where errors of some values count more: values of which the weighted squared error is
 * small.
 * @param importance  [n], finite and not negative, one a value: how much an error of it counts;
 *                    NULL: columns are equal
 */
typedef void rg_from_float_by_fn(void *dst, const float *src, const float *importance, size_t n);

typedef struct rg_dtype_info {
    const char *name;
    int gguf_id;    // -1: not a GGUF type
    uint32_t block; // values per block
    uint32_t block_bytes;
    rg_to_float_fn *to_float;           // NULL: not a type that holds numbers for us
    rg_from_float_fn *from_float;       // NULL: we cannot write this type
    rg_from_float_by_fn *from_float_by; // NULL: importance cannot change what is written
} rg_dtype_info;

/** The row of a type; never NULL for a value of the enum. */
const rg_dtype_info *rg_dtype_get(rg_dtype dtype);
/** The type of a GGUF id / of a name in any case ("q4_k"); RG_DTYPE_COUNT when there is none. */
rg_dtype rg_dtype_of_gguf(uint32_t gguf_id);
rg_dtype rg_dtype_of_name(rg_str name);
/** Bytes of n values, n a multiple of the block; false when it is not, or the product overflows. */
bool rg_dtype_bytes(rg_dtype dtype, size_t n, size_t *bytes);
