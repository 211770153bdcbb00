/* A regular expression as a grammar: what it lets through is matched from beginning to end. */
#pragma once

#include "sample/grammar.h"

/** Errors: RG_E_UNSUPPORTED naming what cannot be enforced (looking around and back) and its place;
 * RG_E_LIMIT; RG_E_ARG (nothing matches); RG_E_MEMORY. */
rg_status rg_regex_grammar(const rg_mem *mem, rg_str pattern, rg_grammar **out,
                           rg_error *err) RG_MUST_CHECK;
