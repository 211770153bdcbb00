/* Pictures on their way from a file to a model. */
#pragma once

#include "api/api_internal.h"
#include "media/patches.h"

/**
 * How the model wants its pictures. The model sees.
 * Errors: RG_E_NOT_FOUND, RG_E_FORMAT, RG_E_UNSUPPORTED naming file, key and value; RG_E_MEMORY.
 */
rg_status api_picture_settings(const raga_model *m, rg_picture_settings *out,
                               rg_error *err) RG_MUST_CHECK;
