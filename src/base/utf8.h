/* UTF-8, strictly: no overlong forms, no surrogates, nothing above U+10FFFF. */
#pragma once

#include "base/view.h"

#define RG_UTF8_BAD UINT32_MAX

/**
 * Decode the first character of a view that is not empty.
 * @param cp  the code point, or RG_UTF8_BAD for an ill-formed part
 * @return    bytes consumed, at least 1; for an ill-formed part the maximal subpart (Unicode
 * 16, 3.9)
 */
size_t rg_utf8_decode(rg_str text, uint32_t *cp);
/** Encode one code point (at most U+10FFFF) into out[4]; returns the number of bytes. */
size_t rg_utf8_encode(uint32_t cp, char out[4]);
bool rg_utf8_is_valid(rg_str text);
/** Bytes at the end of the view that begin a character which may still be completed: 0..3. */
size_t rg_utf8_open_tail(rg_str text);
