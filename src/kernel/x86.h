/* The intrinsics, without the aligned malloc that their header brings along and base/banned.h
 * forbids. */
#pragma once

#define _MM_MALLOC_H_INCLUDED // gcc's guard
#define __MM_MALLOC_H         // clang's
#include <immintrin.h>
