/* The state of a run in one file: trained values, their moments, the count of steps, and what the
 * run's loop and data want to know again. */
#pragma once

#include "train/trainer.h"

#define RG_CHECKPOINT_STATE_MAX (1u << 20) // bytes of a loop's own state

/**
 * Write atomically: a crash at any moment leaves the old file or the new one.
 * @param state  of the loop, any bytes
 * Errors: RG_E_IO, RG_E_MEMORY.
 */
rg_status rg_checkpoint_save(const rg_mem *mem, const char *path, rg_trainer *t, rg_str state,
                             rg_error *err) RG_MUST_CHECK;
/**
 * Read back into a trainer of the same model: every tensor must be there, of its shape, finite.
 * On failure the trainer is as it was.
 * @param state  receives the loop's own bytes, appended
 * Errors: RG_E_NOT_FOUND; RG_E_FORMAT naming file and tensor; RG_E_LIMIT.
 */
rg_status rg_checkpoint_load(const rg_mem *mem, const char *path, rg_trainer *t, rg_buf *state,
                             rg_error *err) RG_MUST_CHECK;
