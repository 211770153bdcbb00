/* Whether an answer is the right one. */
#pragma once

#include "format/json.h"

/**
 * Two JSON values say the same: numbers within 1e-6 of the larger (1 and 1.0 are one), members in
 * any order, everything else exactly.
 */
bool rg_judge_json(const rg_json *a, const rg_json *b);

/**
 * Calls of tools are the right ones: as many, in the same order, each with the same name and the
 * same arguments. @param calls, expected  [{"name", "arguments"?}]; what is no such list is wrong
 */
bool rg_judge_calls(const rg_json *calls, const rg_json *expected);

/** Two texts are the same: white space at both ends and the case of letters do not count. Errors:
 * RG_E_MEMORY. */
rg_status rg_judge_text(const rg_mem *mem, rg_str a, rg_str b, bool *is_same,
                        rg_error *err) RG_MUST_CHECK;

/** The JSON of an answer: a block of code around it (```json) is taken away. */
rg_str rg_judge_unwrap(rg_str answer);
