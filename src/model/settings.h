/* Reading a model's numbers from its container. */
#pragma once

#include "model/arch.h"
#include "model/source.h"

/**
 * The family of a container and its numbers, checked against their ranges and against each other.
 * Errors: RG_E_UNSUPPORTED (family unknown: named, with the nearest), RG_E_FORMAT naming the key
 * and its value.
 */
rg_status rg_settings_read(const rg_source *source, const rg_arch **arch, rg_hparams *h,
                           rg_error *err) RG_MUST_CHECK;

/** One number by its rule; a field whose key is absent keeps what it has. Errors: RG_E_FORMAT. */
rg_status rg_settings_key(const rg_source *source, const rg_arch *arch, const rg_key_rule *rule,
                          rg_hparams *h, rg_error *err) RG_MUST_CHECK;
