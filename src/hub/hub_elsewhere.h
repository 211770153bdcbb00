/*
 * Models that other tools have on this machine, used where they lie: Hugging Face's cache
 * (HF_HUB_CACHE, HF_HOME/hub, or
 * ~/.cache/huggingface/hub) and Ollama's store (OLLAMA_MODELS, ~/.ollama/models, or
 * /usr/share/ollama/.ollama/models).
 */
#pragma once

#include "hub/hub_listing.h"

/**
 * Look for a model of a name.
 * @param out    [size] a GGUF file or the folder of a checkpoint
 * @param where  receives whose it is, a constant text
 * Errors: RG_E_NOT_FOUND: no other tool has it whole.
 */
rg_status rg_hub_elsewhere(const rg_mem *mem, const rg_hub_name *name, char *out, size_t size,
                           const char **where, rg_error *err) RG_MUST_CHECK;

/**
 * Has another tool what a listing's files are: Hugging Face's cache those of the commit that a
 * model needs (a license need not be), Ollama's store the weights of the same digest? By path and
 * size.
 * @param out, where  as above
 */
bool rg_hub_elsewhere_has(const rg_hub_name *name, const rg_hub_listing *listing, char *out,
                          size_t size, const char **where);
