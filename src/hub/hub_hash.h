/* SHA-256 and git's hash of a file that becomes readable from its beginning on. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/** Zero it. Threads: one at a time per object. */
typedef struct rg_hub_hash {
    void *sha256; // EVP_MD_CTX *
    void *git;
    uint64_t at; // bytes taken in
} rg_hub_hash;

/** Begin with nothing. @param size  of the file, which git's hash begins with */
rg_status rg_hub_hash_begin(rg_hub_hash *hash, uint64_t size, rg_error *err) RG_MUST_CHECK;
/** Take in bytes [at, to) of a file, at most `most` of them. */
rg_status rg_hub_hash_read(rg_hub_hash *hash, int fd, uint64_t to, uint64_t most,
                           rg_error *err) RG_MUST_CHECK;
/** The digests, in lower case. */
rg_status rg_hub_hash_end(rg_hub_hash *hash, char sha256[65], char git[41],
                          rg_error *err) RG_MUST_CHECK;
void rg_hub_hash_clear(rg_hub_hash *hash);
