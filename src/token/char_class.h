/* Character classes as the references' regular expressions have them (Unicode 16.0). */
#pragma once

#include "base/utf8.h"

// bits of rg_char_class; RG_CHAR_SPACE is \s: 25 characters, with U+0085, without U+FEFF and U+200B
enum {
    RG_CLASS_L = 1,
    RG_CLASS_N = 2,
    RG_CLASS_M = 4,
    RG_CLASS_P = 8,
    RG_CLASS_S = 16,
    RG_CLASS_SPACE = 32,
    RG_CLASS_LU = 64,
    RG_CLASS_LL = 128,
    RG_CLASS_LT = 256,
    RG_CLASS_LM = 512,
    RG_CLASS_LO = 1024,
    RG_CLASS_HAN = 2048,
};

/** The classes of a code point; 0 for none and for RG_UTF8_BAD. Threads: any thread. */
unsigned rg_char_class(uint32_t cp);
