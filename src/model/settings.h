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
/**
 * What the settings of models with compressed attention leave to be checked and to follow: in
 * settings_compressed.c.
 * @param name  of the GGUF architecture
 * Errors: RG_E_FORMAT, RG_E_UNSUPPORTED (ratios, scores) naming the setting and its value.
 */
rg_status rg_settings_compressed(const rg_source *source, const char *name, rg_hparams *h,
                                 rg_error *err) RG_MUST_CHECK;
/** Their two ropes, once the file's is read. */
void rg_settings_compressed_rope(rg_hparams *h);
