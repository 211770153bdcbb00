/* Pulling in a build without libcurl or libcrypto: it says what is missing. */
#include "hub/hub_pull.h"

rg_status rg_pull(const rg_mem *mem, const rg_hub_name *name, const rg_pull_options *options,
                  char *path, const char **where, rg_error *err) {
    (void)mem, (void)name, (void)options, (void)path, (void)where;
    return rg_fail(err, RG_E_UNSUPPORTED,
                   "this raga was built without libcurl or OpenSSL, so nothing is pulled: install "
                   "libcurl4-openssl-dev and libssl-dev and build again");
}
