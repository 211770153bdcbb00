/* The intrinsics, without the aligned malloc that their header brings along and base/banned.h
 * forbids. */
#pragma once

#define _MM_MALLOC_H_INCLUDED // gcc's guard
#define __MM_MALLOC_H         // clang's
#include <immintrin.h>

// before a loop whose counter picks registers: it must vanish
#define RG_PRAGMA(text) _Pragma(#text)
#ifdef __clang__
#define RG_UNROLL(n) RG_PRAGMA(clang loop unroll(full))
#else
#define RG_UNROLL(n) RG_PRAGMA(GCC unroll n)
#endif
