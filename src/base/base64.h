/* Base64 (RFC 4648, section 4). */
#pragma once

#include "base/view.h"

/**
 * The bytes that a text stands for; padding may be missing.
 * @param out  room for text.size bytes
 * @param n    bytes written, also where the answer is false
 * @return     false: it is no base64
 */
bool rg_base64_decode(rg_str text, char *out, size_t *n);
