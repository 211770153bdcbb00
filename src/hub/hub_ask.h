/* What each hub is asked, and in which words: the only place that knows their addresses.
 * docs/hub.md has the facts. */
#pragma once

#include "hub/hub_http.h"
#include "hub/hub_listing.h"

/** A hub of a name: where it is, and what it is asked with. */
typedef struct rg_hub_ask {
    const rg_hub_name *name;
    char endpoint[1024]; // without a slash at its end
    char token[4200];    // "": none
} rg_hub_ask;

/**
 * Where to ask: RAGA_ENDPOINT_HF, _MS, _OLLAMA, else the hub itself; a token from HF_TOKEN, or the
 * file that Hugging Face's tools write, or MODELSCOPE_API_TOKEN. Over http a token goes to this
 * machine alone. Opens no socket. Errors: RG_E_ARG: an endpoint that is no address.
 */
rg_status rg_hub_ask_open(rg_hub_ask *ask, const rg_mem *mem, const rg_hub_name *name,
                          rg_error *err) RG_MUST_CHECK;

/** The files of the model, its commit and its license. */
rg_status rg_hub_ask_listing(const rg_hub_ask *ask, const rg_mem *mem, rg_http *http,
                             rg_hub_listing *listing, rg_error *err) RG_MUST_CHECK;
/** The address of a file. */
void rg_hub_ask_url(const rg_hub_ask *ask, const rg_hub_listing *listing, const rg_hub_file *file,
                    rg_buf *out);
