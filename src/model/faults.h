/* What converters are known to leave wrong in a file. */
#pragma once

#include "base/buf.h"
#include "model/model.h"

/**
 * Look for known faults: a sentence a line, with what to do. Looks at settings, and at the values
 * of norms and biases, not at those of matrices.
 */
void rg_model_faults(const rg_model *model, const rg_source *source, rg_buf *lines);
