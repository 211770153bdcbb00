/* Pictures as the words of a model see them: tokens that have hidden values in place of an id. */
#pragma once

#include "engine/engine.h"

typedef struct rg_sight rg_sight;

/**
 * Look at a picture: run the engine's tower on its patches. What that takes is beside the bill,
 * compared with what is free and given back; the hidden values stay with the sight.
 * @param patches  f32 [grid[0] * grid[1] * grid[2]][n_pixel], in the order of model/tower.h
 * @param grid     frames, rows and columns of patches
 * @param out      owned by the caller: rg_sight_free(), before the engine is freed
 * Errors: RG_E_UNSUPPORTED (the engine has no tower), RG_E_ARG, RG_E_LIMIT (patches, or memory),
 * RG_E_MEMORY, RG_E_IO.
 */
rg_status rg_sight_new(rg_engine *engine, const float *patches, const uint32_t grid[3],
                       rg_sight **out, rg_error *err) RG_MUST_CHECK;
void rg_sight_free(rg_sight *sight);
/** Tokens that it is. */
size_t rg_sight_count(const rg_sight *sight);
/** f32 [tokens][levels][n_embd]. Valid as long as the sight. */
const float *rg_sight_values(const rg_sight *sight);

/**
 * The session's tokens from position `at` on, as many as the sight has, are this picture: the ids
 * that will be evaluated there only stand for it. Must be told before they are.
 * Errors: RG_E_ARG (a position that is taken), RG_E_LIMIT (it does not fit the context).
 */
rg_status rg_session_show(rg_session *session, rg_sight *sight, size_t at,
                          rg_error *err) RG_MUST_CHECK;
/** Picture number i of a session, where it begins, and how many tokens are left of it. NULL: there
 * are no more. Borrowed. */
const rg_sight *rg_session_sight(const rg_session *session, size_t i, size_t *at, size_t *n);
