#include "hub/hub_hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void rg_hub_hash_clear(rg_hub_hash *h) {
    EVP_MD_CTX_free(h->sha256);
    EVP_MD_CTX_free(h->git);
    *h = (rg_hub_hash){0};
}

rg_status rg_hub_hash_begin(rg_hub_hash *h, uint64_t size, rg_error *err) {
    char head[64];
    rg_hub_hash_clear(h);
    h->sha256 = EVP_MD_CTX_new();
    h->git = EVP_MD_CTX_new();
    const int n = snprintf(head, sizeof head, "blob %llu", (unsigned long long)size);
    if (h->sha256 == NULL || h->git == NULL ||
        EVP_DigestInit_ex(h->sha256, EVP_sha256(), NULL) != 1 ||
        EVP_DigestInit_ex(h->git, EVP_sha1(), NULL) != 1 ||
        EVP_DigestUpdate(h->git, head, (size_t)n + 1) != 1) {
        rg_hub_hash_clear(h);
        return rg_fail(err, RG_E_MEMORY, "libcrypto gives no hash");
    }
    return RG_OK;
}

rg_status rg_hub_hash_read(rg_hub_hash *h, int fd, uint64_t to, uint64_t most, rg_error *err) {
    unsigned char data[64 << 10];
    for (uint64_t n = 0; h->at < to && n < most;) {
        const uint64_t left = to - h->at;
        const ssize_t got =
            pread(fd, data, left < sizeof data ? (size_t)left : sizeof data, (off_t)h->at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return rg_fail(err, RG_E_IO, "cannot read the download: %s",
                           got == 0 ? "it became shorter" : strerror(errno));
        }
        if (EVP_DigestUpdate(h->sha256, data, (size_t)got) != 1 ||
            EVP_DigestUpdate(h->git, data, (size_t)got) != 1) {
            return rg_fail(err, RG_E_INTERNAL, "libcrypto refuses bytes to hash");
        }
        h->at += (uint64_t)got;
        n += (uint64_t)got;
    }
    return RG_OK;
}

static bool hex_of(void *context, char *out, unsigned want) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_DigestFinal_ex(context, digest, &n) != 1 || n != want) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    }
    return true;
}

rg_status rg_hub_hash_end(rg_hub_hash *h, char sha256[65], char git[41], rg_error *err) {
    const bool is_fine = hex_of(h->sha256, sha256, 32) && hex_of(h->git, git, 20);
    rg_hub_hash_clear(h);
    return is_fine ? RG_OK : rg_fail(err, RG_E_INTERNAL, "libcrypto ends no hash");
}
