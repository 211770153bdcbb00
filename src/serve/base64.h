/* Base64 (RFC 4648, section 4), as data: URLs have it. */
#pragma once

#include "base/buf.h"

/** Append what a text stands for; false when it is no base64. Padding may be missing. */
bool rg_base64_decode(rg_str text, rg_buf *out);
