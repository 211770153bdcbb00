/* Normalization form C as the references' tables have it (Unicode 9.0): characters added since are
 * left alone. */
#pragma once

#include "base/buf.h"

/** Append the NFC of text to out; ill-formed parts are copied as they are. Check out afterwards. */
void rg_nfc(rg_buf *out, rg_str text);
